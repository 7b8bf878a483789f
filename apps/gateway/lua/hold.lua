-- Stands before each of the other scripts: what a hold consists of, written and undone in one place.
-- A hold's record, as Admission.record writes it: "held tokens scope,… name=limit=period,… scope,…": nano-dollars,
-- tokens reserved, the scopes whose budgets hold, the token rates (with '-' for none), the scopes that count it as open.
local function each(list)
  return string.gmatch(list, '[^,]+')
end

local function hold_fields(record)
  local held, tokens, scopes, rates, opens = string.match(record, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {held = held, tokens = tonumber(tokens), scopes = scopes, rates = rates, opens = opens}
end

-- Begins a hold, or only renews its lease where it is there already.
local function open_hold(id, record, expiry)
  local hold = hold_fields(record)
  if redis.call('SET', 'art:hold:' .. id, record, 'NX') then
    for scope in each(hold.scopes) do redis.call('INCRBY', 'art:held:' .. scope, hold.held) end
  end
  redis.call('ZADD', 'art:holds', expiry, id)
  for scope in each(hold.opens) do redis.call('ZADD', 'art:open:' .. scope, expiry, id) end
end

-- Ends a hold; its fields, or nothing where there was none.
local function close_hold(id)
  redis.call('ZREM', 'art:holds', id)
  local record = redis.call('GET', 'art:hold:' .. id)
  if not record then return nil end
  local hold = hold_fields(record)
  redis.call('DEL', 'art:hold:' .. id)
  for scope in each(hold.opens) do redis.call('ZREM', 'art:open:' .. scope, id) end
  for scope in each(hold.scopes) do redis.call('DECRBY', 'art:held:' .. scope, hold.held) end
  return hold
end

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Rates by the generic cell rate algorithm: one number each, the time (ms) at which the bucket will be full again. So
-- a window slides with every request, and nobody gets two minutes' worth around the turn of a minute.
--
-- Reads from `argv` on the tokens of a request, how many rates it comes under, and of each four words (scope, "requests",
-- "tokens" or "day", period in ms, limit); gives the rates and the position behind them.
local function read_rates(argv, at, now)
  local rates, names = {}, {}
  local tokens, count = tonumber(argv[at]), tonumber(argv[at + 1])
  at = at + 2
  for i = 1, count do
    local rate = {scope = argv[at], what = argv[at + 1], period = tonumber(argv[at + 2]),
      limit = tonumber(argv[at + 3])}
    rate.quantity = rate.what == 'requests' and 1 or tokens
    rates[i], names[i] = rate, 'art:rate:' .. rate.what .. ':' .. rate.scope
    at = at + 4
  end
  local full = count > 0 and redis.call('MGET', unpack(names)) or {}
  for i, rate in ipairs(rates) do
    rate.name = names[i]
    -- Never later than can be, should the clock have been set back: a period ahead, ten where answers were longer
    -- than reserved for.
    local furthest = now + rate.period * (rate.what == 'requests' and 1 or 10)
    rate.before = math.min(furthest, math.max(now, tonumber(full[i] or 0)))
    rate.after = rate.before + rate.quantity * rate.period / rate.limit
  end
  return rates, at
end

-- Milliseconds until a rate lets the request through; nothing where it does now, or where it uses none of it.
local function wait_for(rate, now)
  if rate.quantity > 0 and rate.after - now > rate.period + 1 then
    return math.ceil(rate.after - now - rate.period)
  end
end

-- The request counts from now on. No rate is remembered longer than it can matter.
local function keep_rates(rates)
  for _, rate in ipairs(rates) do
    if rate.quantity > 0 then
      redis.call('SET', rate.name, string.format('%.3f', rate.after), 'PX', rate.period * 11)
    end
  end
end

-- {limit, left, ms until full} of the requests and of the tokens a minute of which the least is left.
local function state(rates, now, field)
  local answer = {0, 0, 0, 0, 0, 0}
  for i, what in ipairs({'requests', 'tokens'}) do
    local least
    for _, rate in ipairs(rates) do
      if rate.what == what then
        -- What is stored has three decimals: a request that comes exactly in time must not fail for the rounding.
        local left = math.max(0, math.floor((rate.period - (rate[field] - now)) * rate.limit / rate.period + 0.01))
        if not least or left < least then
          least = left
          answer[i * 3 - 2], answer[i * 3 - 1], answer[i * 3] = rate.limit, left, math.ceil(rate[field] - now)
        end
      end
    end
  end
  return answer
end
