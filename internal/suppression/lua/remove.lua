#!lua flags=allow-oom
-- Removes opt-outs of a number for a scope.
-- KEYS: 1 number's record · 2 list of the scope · 3 outbox of events
-- ARGV: 1 how long a record is kept in which nothing counts, in ms · 2 number of the arguments that name the scope's own opt-outs ·
--       for each of them its field, its member of the list and the element of the outbox ('' = none) · for each STOP that does not count any more
--       its field, its time (Unix ms) and the element of the outbox
local function push(element)
  if element ~= '' then redis.call('RPUSH', KEYS[3], element) end
end
local own = tonumber(ARGV[2])
for a = 3, 2 + own, 3 do
  if redis.call('HDEL', KEYS[1], ARGV[a]) == 1 then push(ARGV[a + 2]) end
  redis.call('ZREM', KEYS[2], ARGV[a + 1])
end
for a = 3 + own, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[a], ARGV[a + 1])
  push(ARGV[a + 2])
end
expire(KEYS[1], ARGV[1])
return 1
