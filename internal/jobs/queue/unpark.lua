-- Takes tasks out of those that a pause has parked, and the pause off the list once it has none.
-- KEYS: 1 the tasks that the pause has parked · 2 the pauses that have parked tasks
-- ARGV: 1 name of the pause · then the tasks
if #ARGV > 1 then redis.call('ZREM', KEYS[1], unpack(ARGV, 2)) end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return 0
