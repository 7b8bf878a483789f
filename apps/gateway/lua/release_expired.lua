-- Releases holds whose gateway died before it settled: their lease has run out.
--
-- ARGV: how many at most. Answer: the number released.
local now = clock()
local expired = redis.call('ZRANGEBYSCORE', 'art:holds', '-inf', now, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(expired) do close_hold(id) end
return #expired
