-- Admits one request, or says why not. Atomic: of many that race for the last cent, the last cent's worth pass.
--
-- ARGV: request id, key revision name, its revision, account revision name, its revision, catalog revision name, its revision,
--   key id, project id, account id, month (YYYYMM), requests/min, tokens/min, parallel, estimated tokens, hold (nano-dollars),
--   budget of key, of project, of account (nano-dollars a month, or ''), lease of the hold (ms), now as the last use (ms),
--   record of the hold
-- Answer: {verdict, detail, requests left, ms until full, tokens left, ms until full}; for a refusal by rate,
--   detail is the ms to wait; for 'stale' and 'unseeded' it names what the gateway must read anew; for 'ok' it is what
--   is left of the budgets (nano-dollars), or ''.
local id, key, project, account, month = ARGV[1], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
-- Whoever asked has given up meanwhile (release.lua came first).
if redis.call('EXISTS', 'art:settled:' .. id) == 1 then return {'withdrawn', ''} end
local known = redis.call('MGET', ARGV[2], ARGV[4], ARGV[6])
if known[1] ~= ARGV[3] then return {'stale', 'key'} end
if known[2] ~= ARGV[5] then return {'stale', 'account'} end
if known[3] ~= ARGV[7] then return {'stale', 'catalog'} end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MINUTE = 60000

-- Rates by the generic cell rate algorithm: one number, the time at which the bucket will be full again.
local rpm, tpm, tokens = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[15])
local rpm_name, tpm_name = 'art:rpm:' .. key, 'art:tpm:' .. key
local full = redis.call('MGET', rpm_name, tpm_name)
-- Never later than can be, should the clock have been set back: a minute ahead, ten where answers were longer than
-- reserved for.
local rpm_before = math.min(now + MINUTE, math.max(now, tonumber(full[1] or 0)))
local tpm_before = math.min(now + 10 * MINUTE, math.max(now, tonumber(full[2] or 0)))
local rpm_full, tpm_full = rpm_before + MINUTE / rpm, tpm_before + tokens * MINUTE / tpm
-- What is stored has three decimals: a request that comes exactly in time must not fail for the rounding.
local function left(limit, when) return math.max(0, math.floor((MINUTE - (when - now)) * limit / MINUTE + 0.01)) end
local function answer(verdict, detail)
  return {verdict, detail, left(rpm, rpm_full), math.ceil(rpm_full - now), left(tpm, tpm_full), math.ceil(tpm_full - now)}
end
local function refusal(verdict, detail)
  rpm_full, tpm_full = rpm_before, tpm_before
  return answer(verdict, detail)
end
if tokens > tpm then return refusal('too_large', tokens) end
if rpm_full - now > MINUTE + 1 then return refusal('requests', math.ceil(rpm_full - now - MINUTE)) end
if tpm_full - now > MINUTE + 1 then return refusal('tokens', math.ceil(tpm_full - now - MINUTE)) end

local open_name = 'art:open:' .. key
redis.call('ZREMRANGEBYSCORE', open_name, '-inf', now)
if redis.call('ZCARD', open_name) >= tonumber(ARGV[14]) then return refusal('parallel', 1000) end

local hold, free = tonumber(ARGV[16]), ''
local scopes = {'key:' .. key, 'project:' .. project, 'account:' .. account}
local sums = redis.call('MGET',
  'art:spent:' .. scopes[1] .. ':' .. month, 'art:spent:' .. scopes[2] .. ':' .. month, 'art:spent:' .. scopes[3] .. ':' .. month,
  'art:held:' .. scopes[1], 'art:held:' .. scopes[2], 'art:held:' .. scopes[3])
for i, scope in ipairs(scopes) do
  if not sums[i] then return {'unseeded', scope} end
  local budget = ARGV[16 + i]
  if budget ~= '' then
    local left = tonumber(budget) - sums[i] - (sums[i + 3] or 0) - hold
    if left < 0 then return refusal('budget', scope) end
    if free == '' or left < free then free = left end
  end
end

redis.call('MSET', rpm_name, string.format('%.3f', rpm_full), tpm_name, string.format('%.3f', tpm_full))
open_hold(id, ARGV[22], now + ARGV[20])
redis.call('HSET', 'art:last-use', key, ARGV[21])
return answer('ok', free)
