-- Lets a call use a deployment that shares a slot by turns, where it is awake and stays so: nobody puts it to sleep then.
-- ARGV: slot, deployment, the use's id, lease (ms). Answer: 1, or 0 where it must be woken first.
local now = clock()
local slot = 'art:slot:' .. ARGV[1]
if redis.call('SISMEMBER', slot .. ':awake', ARGV[2]) == 0 then return 0 end
if redis.call('GET', slot .. ':leaving') == ARGV[2] then return 0 end
redis.call('ZADD', slot .. ':uses:' .. ARGV[2], now + ARGV[4], ARGV[3])
redis.call('HSET', slot .. ':used', ARGV[2], now)
return 1
