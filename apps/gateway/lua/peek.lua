-- The state of the rates, as admission would report it, without reserving anything.
-- ARGV: 0 tokens, number of rates, then the rates as admit.lua has them. Answer: of requests and of tokens: limit, left, ms until full
local now = clock()
return state(read_rates(ARGV, 1, now), now, 'before')
