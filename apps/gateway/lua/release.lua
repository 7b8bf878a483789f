-- Withdraws an admission whose answer nobody received, whether it ran already or comes only after this.
-- ARGV: request id. Answer: 1 where there was a hold.
local hold = close_hold(ARGV[1]) -- first: a Redis without room lets only such scripts write that begin by making some
redis.call('SET', 'art:settled:' .. ARGV[1], '1', 'EX', 120)
return hold and 1 or 0
