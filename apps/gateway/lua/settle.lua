-- Ends one request: releases its hold, charges what it cost, sets the tokens it used against those reserved, records
-- the event.
-- Called again for the same request within two minutes, it does nothing.
--
-- ARGV: request id, key id, project id, account id, month (YYYYMM) of the charge, cost (nano-dollars), tokens used, event
-- Answer: 1, or 0 where the request was settled before.
local id = ARGV[1]
if not redis.call('SET', 'art:settled:' .. id, '1', 'NX', 'EX', 120) then return 0 end
local scopes = {'key:' .. ARGV[2], 'project:' .. ARGV[3], 'account:' .. ARGV[4]}
local hold = close_hold(id)
if hold then
  local full = redis.call('GET', 'art:tpm:' .. ARGV[2])
  local unused = tonumber(hold.tokens) - tonumber(ARGV[7])
  if full and unused ~= 0 then
    -- More than was reserved is owed: the key waits for it.
    local clock = redis.call('TIME')
    local from = unused > 0 and full or math.max(full, clock[1] * 1000 + math.floor(clock[2] / 1000))
    redis.call('SET', 'art:tpm:' .. ARGV[2], string.format('%.3f', from - unused * 60000 / hold.tpm))
  end
end
for _, scope in ipairs(scopes) do
  local spent = 'art:spent:' .. scope .. ':' .. ARGV[5]
  -- A counter that is missing (Redis lost it) is not begun here: the next admission rebuilds it from PostgreSQL.
  if redis.call('EXISTS', spent) == 1 then redis.call('INCRBY', spent, ARGV[6]) end
end
redis.call('XADD', 'art:usage', '*', 'event', ARGV[8])
return 1
