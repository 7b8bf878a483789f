-- Takes one request of the rates, for what holds nothing and costs nothing: a list of files, a look at a batch.
-- ARGV: 0 tokens, number of rates, then the rates as admit.lua has them.
-- Answer: {'ok' or "requests " with the limit, scope, ms to wait, then the state as admission reports it}
local now = clock()
local rates = read_rates(ARGV, 1, now)
for _, rate in ipairs(rates) do
  local wait = wait_for(rate, now)
  if wait then return {rate.what .. ' ' .. rate.limit, rate.scope, wait, unpack(state(rates, now, 'before'))} end
end
keep_rates(rates)
return {'ok', '', 0, unpack(state(rates, now, 'after'))}
