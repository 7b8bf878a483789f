-- The state of a key's rates, as admission would report it, without reserving anything.
-- ARGV: key id, requests/min, tokens/min. Answer: {requests left, ms until full, tokens left, ms until full}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MINUTE = 60000
local full = redis.call('MGET', 'art:rpm:' .. ARGV[1], 'art:tpm:' .. ARGV[1])
local answer = {}
for i = 1, 2 do
  local wait = math.min(MINUTE * (i == 1 and 1 or 10), math.max(now, tonumber(full[i] or 0)) - now)
  answer[i * 2 - 1] = math.max(0, math.floor((MINUTE - wait) * ARGV[i + 1] / MINUTE + 0.01))
  answer[i * 2] = math.ceil(wait)
end
return answer
