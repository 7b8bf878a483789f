-- Withdraws an admission whose answer nobody received, whether it ran already or comes only after this.
-- ARGV: request id. Answer: 1 where there was a hold.
local id = ARGV[1]
redis.call('SET', 'art:settled:' .. id, '1', 'EX', 120)
local record = redis.call('GET', 'art:hold:' .. id)
if not record then return 0 end
local key, project, account, held = string.match(record, '^(%S+) (%S+) (%S+) (%S+)')
redis.call('DEL', 'art:hold:' .. id)
redis.call('ZREM', 'art:holds', id)
redis.call('ZREM', 'art:open:' .. key, id)
for _, scope in ipairs({'key:' .. key, 'project:' .. project, 'account:' .. account}) do
  redis.call('DECRBY', 'art:held:' .. scope, held)
end
return 1
