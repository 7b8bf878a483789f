-- Ends one request: releases its hold, charges what it cost, sets the tokens it used against those reserved, records
-- the event.
-- Called again for the same request within two minutes, it does nothing.
--
-- ARGV: request id, cost (nano-dollars), tokens used, event, then pairs of scope and period ("202611") to charge
-- Answer: 1, or 0 where the request was settled before.
local id = ARGV[1]
if not redis.call('SET', 'art:settled:' .. id, '1', 'NX', 'EX', 120) then return 0 end
local hold = close_hold(id)
local unused = hold and hold.tokens - tonumber(ARGV[3]) or 0
if unused ~= 0 and hold.rates ~= '-' then
  local now = clock()
  for rate in each(hold.rates) do
    local name, limit, period = string.match(rate, '^(.+)=(%d+)=(%d+)$')
    local full = redis.call('GET', name)
    if full then
      -- More than was reserved is owed: whoever used it waits for it.
      local from = unused > 0 and full or math.max(full, now)
      redis.call('SET', name, string.format('%.3f', from - unused * period / limit), 'PX', period * 11)
    end
  end
end
for i = 5, #ARGV, 2 do
  for _, period in ipairs({ARGV[i + 1], 'total'}) do
    local spent = 'art:spent:' .. ARGV[i] .. ':' .. period
    -- A counter that is missing (Redis lost it, or no budget asks for it) is not begun here: the next admission that
    -- needs it rebuilds it from PostgreSQL.
    if redis.call('EXISTS', spent) == 1 then redis.call('INCRBY', spent, ARGV[2]) end
  end
end
redis.call('XADD', 'art:usage', '*', 'event', ARGV[4])
return 1
