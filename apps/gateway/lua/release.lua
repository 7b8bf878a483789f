-- Withdraws an admission whose answer nobody received, whether it ran already or comes only after this.
-- ARGV: request id. Answer: 1 where there was a hold.
redis.call('SET', 'art:settled:' .. ARGV[1], '1', 'EX', 120)
return close_hold(ARGV[1]) and 1 or 0
