-- Notes a schema of an account's. Answer: 0, or the seconds until another new one may come.
-- ARGV: account, the schema's digest, how many different ones an hour may bring
local name = 'art:schemas:' .. ARGV[1]
if redis.call('SISMEMBER', name, ARGV[2]) == 1 then return 0 end
if redis.call('SCARD', name) >= tonumber(ARGV[3]) then return math.max(1, redis.call('TTL', name)) end
redis.call('SADD', name, ARGV[2])
if redis.call('TTL', name) < 0 then redis.call('EXPIRE', name, 3600) end
return 0
