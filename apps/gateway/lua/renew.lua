-- Renews the leases of requests in flight, and restores a hold that was swept while its gateway could not renew it.
-- ARGV: lease (ms), then pairs of request id and the hold's record ("key project account hold tokens tpm").
local clock = redis.call('TIME')
local expiry = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 2 do
  local id, record = ARGV[i], ARGV[i + 1]
  if redis.call('EXISTS', 'art:settled:' .. id) == 0 then
    local key, project, account, held = string.match(record, '^(%S+) (%S+) (%S+) (%S+)')
    if redis.call('SET', 'art:hold:' .. id, record, 'NX') then
      for _, scope in ipairs({'key:' .. key, 'project:' .. project, 'account:' .. account}) do
        redis.call('INCRBY', 'art:held:' .. scope, held)
      end
    end
    redis.call('ZADD', 'art:holds', expiry, id)
    redis.call('ZADD', 'art:open:' .. key, expiry, id)
  end
end
return 1
