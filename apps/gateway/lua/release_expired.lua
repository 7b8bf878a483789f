-- Releases holds whose gateway died before it settled: their lease has run out.
--
-- ARGV: how many at most. Answer: the number released.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local expired = redis.call('ZRANGEBYSCORE', 'art:holds', '-inf', now, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(expired) do
  local record = redis.call('GET', 'art:hold:' .. id)
  if record then
    local key, project, account, held = string.match(record, '^(%S+) (%S+) (%S+) (%S+)')
    redis.call('DEL', 'art:hold:' .. id)
    redis.call('ZREM', 'art:open:' .. key, id)
    for _, scope in ipairs({'key:' .. key, 'project:' .. project, 'account:' .. account}) do
      redis.call('DECRBY', 'art:held:' .. scope, held)
    end
  end
  redis.call('ZREM', 'art:holds', id)
end
return #expired
