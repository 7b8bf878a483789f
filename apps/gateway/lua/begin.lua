-- Begins a counter of what was spent, with what was settled since the stream was read.
--
-- ARGV: name of the counter, what was spent up to the last event that was read, seconds to keep it, that event's id,
--   the event's field of the owner, the owner's id, the month ("2026-11") or '', 1 to set a counter that is there anew
local name = ARGV[1]
if ARGV[8] == '0' and redis.call('EXISTS', name) == 1 then return 0 end
redis.call('SET', name, ARGV[2], 'EX', ARGV[3])
for _, entry in ipairs(redis.call('XRANGE', 'art:usage', '(' .. ARGV[4], '+')) do
  local ok, event = pcall(cjson.decode, entry[2][2])
  if ok and type(event) == 'table' and tostring(event[ARGV[5]]) == ARGV[6]
    and (ARGV[7] == '' or string.sub(event.started_at or '', 1, 7) == ARGV[7]) then
    redis.call('INCRBY', name, string.format('%.0f', event.cost))
  end
end
return 1
