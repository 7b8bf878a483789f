-- Renews the leases of requests in flight. ARGV: lease (ms), then pairs of request id and key id.
local clock = redis.call('TIME')
local expiry = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 2 do
  redis.call('ZADD', 'art:holds', 'XX', expiry, ARGV[i])
  redis.call('ZADD', 'art:open:' .. ARGV[i + 1], 'XX', expiry, ARGV[i])
end
return 1
