-- Frees the token that a canceled message has reserved: the message of its sender that comes next gets it.
-- KEYS[1] the reservations (sorted set: message by time in µs), [2] the freed ones (alike)
-- ARGV[1] the message
-- Returns 1 if it had one
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return 0 end
redis.call('ZADD', KEYS[2], due, ARGV[1])
redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
