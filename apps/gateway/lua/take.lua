-- Takes one request of the rates, for what holds nothing and costs nothing: a list of files, a look at a batch.
-- ARGV: 0 tokens, number of rates, then the rates as admit.lua has them.
-- Answer: {'ok' or "requests " with the limit, scope, ms to wait, then the state as admission reports it}
local now = clock()
local rates = read_rates(ARGV, 1, now)
for _, rate in ipairs(rates) do
  if rate.quantity > 0 and rate.after - now > rate.period + 1 then
    local wait = math.ceil(rate.after - now - rate.period)
    return {rate.what .. ' ' .. rate.limit, rate.scope, wait, unpack(state(rates, now, 'before'))}
  end
end
for _, rate in ipairs(rates) do
  if rate.quantity > 0 then
    redis.call('SET', rate.name, string.format('%.3f', rate.after), 'PX', rate.period * 11)
  end
end
return {'ok', '', 0, unpack(state(rates, now, 'after'))}
