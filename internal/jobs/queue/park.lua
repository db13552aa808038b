-- Parks a task until its pause ends. A pause that has ended meanwhile parks nothing.
-- KEYS: 1 pauses · 2 the tasks that the pause has parked · 3 the pauses that have parked tasks
-- ARGV: 1 name of the pause · 2 task · 3 its place in the order (Unix ms) · 4 '1': the pace of a batch parks it, and there is no pause
-- Answers 1 when the task is parked.
if ARGV[4] ~= '1' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[1])
return 1
