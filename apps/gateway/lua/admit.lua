-- Admits one request, or says why not. Atomic: of many that race for the last cent, the last cent's worth pass.
--
-- ARGV: request id, key revision name, its revision, account revision name, its revision, catalog revision name, its revision,
--   key id, hold (nano-dollars), lease of the hold (ms), now as the last use (ms), record of the hold, or '' for one that
--   is only to be checked: it counts as a request, and is admitted, without being counted again, when it is run,
--   tokens it may use, number of rates, then for each: scope, what, period (ms), limit,
--   number of limits of requests at once, then for each: scope, limit,
--   number of budgets, then for each: scope, period ("202611" or "total"), nano-dollars or ''
-- Answer: {verdict, scope, detail, then of requests and of tokens: limit, left, ms until full}; for a refusal by rate,
--   detail is the ms to wait; for 'stale' and 'unseeded', scope names what the gateway must read anew, detail the
--   period; for 'ok', detail is what is left of the budgets (nano-dollars), or ''.
local id, key = ARGV[1], ARGV[8]
-- Whoever asked has given up meanwhile (release.lua came first).
if redis.call('EXISTS', 'art:settled:' .. id) == 1 then return {'withdrawn', '', ''} end
local known = redis.call('MGET', ARGV[2], ARGV[4], ARGV[6])
if known[1] ~= ARGV[3] then return {'stale', 'key', ''} end
if known[2] ~= ARGV[5] then return {'stale', 'account', ''} end
if known[3] ~= ARGV[7] then return {'stale', 'catalog', ''} end

local now = clock()
local rates, at = read_rates(ARGV, 13, now)
local function answer(verdict, scope, detail, field)
  return {verdict, scope, detail, unpack(state(rates, now, field))}
end
for _, rate in ipairs(rates) do
  if rate.quantity > rate.limit then return answer('too_large', rate.scope, rate.what .. ' ' .. rate.limit, 'before') end
  local wait = wait_for(rate, now)
  if wait then return answer(rate.what .. ' ' .. rate.limit, rate.scope, wait, 'before') end
end

local opens = {}
for i = 1, tonumber(ARGV[at]) do
  local scope, limit = ARGV[at + 1], tonumber(ARGV[at + 2])
  opens[i] = 'art:open:' .. scope
  if redis.call('ZCOUNT', opens[i], '(' .. now, '+inf') >= limit then
    return answer('parallel ' .. limit, scope, 1000, 'before')
  end
  at = at + 2
end
at = at + 1

local hold, free = tonumber(ARGV[9]), ''
local names, budgets = {}, {}
for i = 1, tonumber(ARGV[at]) do
  local scope, period = ARGV[at + 1], ARGV[at + 2]
  budgets[i] = {scope = scope, period = period, sum = ARGV[at + 3]}
  names[i * 2 - 1], names[i * 2] = 'art:spent:' .. scope .. ':' .. period, 'art:held:' .. scope
  at = at + 3
end
local sums = redis.call('MGET', unpack(names))
for i, budget in ipairs(budgets) do
  local spent, held = sums[i * 2 - 1], sums[i * 2] or 0
  if not spent then return {'unseeded', budget.scope, budget.period} end
  if budget.sum ~= '' then
    local left = tonumber(budget.sum) - spent - held - hold
    if left < 0 then
      -- For apps/alerts, which tells the account once; of a refusal only, so that who is admitted pays nothing for it.
      redis.pcall('SADD', 'art:refused', budget.scope .. ' ' .. budget.period .. ' ' .. budget.sum)
      return answer('budget', budget.scope, budget.period, 'before')
    end
    if free == '' or left < free then free = left end
  end
end

if ARGV[12] == '' then
  for _, rate in ipairs(rates) do
    if rate.what ~= 'requests' then rate.quantity, rate.after = 0, rate.before end
  end
end
-- The first write is one that a Redis without room refuses: past any other it would let all that follows pass, and
-- admit what it then cannot settle.
keep_rates(rates)
for _, name in ipairs(opens) do redis.call('ZREMRANGEBYSCORE', name, '-inf', now) end
if ARGV[12] ~= '' then open_hold(id, ARGV[12], now + ARGV[10]) end
redis.call('HSET', 'art:last-use', key, ARGV[11])
return answer('ok', '', free == '' and '' or string.format('%.0f', free), 'after')
