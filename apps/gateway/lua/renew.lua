-- Renews the leases of requests in flight, and restores a hold that was swept while its gateway could not renew it.
-- ARGV: lease (ms), then pairs of request id and the hold's record.
local now = clock()
local expiry = now + ARGV[1]
for i = 2, #ARGV, 2 do
  if redis.call('EXISTS', 'art:settled:' .. ARGV[i]) == 0 then open_hold(ARGV[i], ARGV[i + 1], expiry) end
end
return 1
