-- Stands before each of the other scripts: what a hold consists of, written and undone in one place.
-- A hold's record is "key project account hold tokens tpm", as admission.hold_record writes it.
local function hold_fields(record)
  local key, project, account, held, tokens, tpm = string.match(record, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {key = key, held = held, tokens = tokens, tpm = tpm,
    scopes = {'key:' .. key, 'project:' .. project, 'account:' .. account}}
end

-- Begins a hold, or only renews its lease where it is there already.
local function open_hold(id, record, expiry)
  local hold = hold_fields(record)
  if redis.call('SET', 'art:hold:' .. id, record, 'NX') then
    for _, scope in ipairs(hold.scopes) do redis.call('INCRBY', 'art:held:' .. scope, hold.held) end
  end
  redis.call('ZADD', 'art:holds', expiry, id)
  redis.call('ZADD', 'art:open:' .. hold.key, expiry, id)
end

-- Ends a hold; its fields, or nothing where there was none.
local function close_hold(id)
  redis.call('ZREM', 'art:holds', id)
  local record = redis.call('GET', 'art:hold:' .. id)
  if not record then return nil end
  local hold = hold_fields(record)
  redis.call('DEL', 'art:hold:' .. id)
  redis.call('ZREM', 'art:open:' .. hold.key, id)
  for _, scope in ipairs(hold.scopes) do redis.call('DECRBY', 'art:held:' .. scope, hold.held) end
  return hold
end
