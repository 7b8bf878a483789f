-- Ends what an earlier try of a request holds under the same id, whose process died before it settled.
-- ARGV: request id. Answer: 1 where there was a hold.
return close_hold(ARGV[1]) and 1 or 0
