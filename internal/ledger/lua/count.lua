-- Records the counts of the latest request of a batch, unless the batch has expired, and raises the usage of the day.
-- The names of KEYS and ARGV are those of positions.go.
if redis.call('EXISTS', KEYS[BATCH]) == 1 then
  redis.call('HSET', KEYS[BATCH], 'valid', ARGV[VALID], 'rejected', ARGV[REJECTED])
end
if ARGV[REJECTED] ~= '0' then redis.call('HINCRBY', KEYS[USAGE], 'rejected', ARGV[REJECTED]) end
if ARGV[DUPLICATES] ~= '0' then redis.call('HINCRBY', KEYS[USAGE], 'duplicates', ARGV[DUPLICATES]) end
redis.call('PEXPIRE', KEYS[USAGE], ARGV[USAGE_KEPT])
return 0
