#!lua flags=allow-oom
-- Sets when the sweeper looks at a message of a list again, or takes it off, unless a change of the message has placed it anew meanwhile.
-- KEYS: 1 list
-- ARGV: 1 packed id · 2 time it was due (Unix ms) · 3 time of the next look, '' = none
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) ~= tonumber(ARGV[2]) then
  return 0
end
if ARGV[3] == '' then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1
