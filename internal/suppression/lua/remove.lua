#!lua flags=allow-oom
-- Removes opt-outs of a number for a scope.
-- KEYS: 1 number's record · 2 list of the scope
-- ARGV: 1 how long a record is kept in which nothing counts, in ms · 2 number of the arguments that name the scope's own opt-outs ·
--       for each of them its field and its member of the list · for each STOP that does not count any more its field and its time (Unix ms)
local own = tonumber(ARGV[2])
for a = 3, 2 + own, 2 do
  redis.call('HDEL', KEYS[1], ARGV[a])
  redis.call('ZREM', KEYS[2], ARGV[a + 1])
end
for a = 3 + own, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[a], ARGV[a + 1])
end
expire(KEYS[1], ARGV[1])
return 1
