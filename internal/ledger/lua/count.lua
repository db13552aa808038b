-- Records the counts of the latest request of a batch, unless the batch has expired.
-- The names of KEYS and ARGV are those of positions.go.
if redis.call('EXISTS', KEYS[BATCH]) == 1 then
  redis.call('HSET', KEYS[BATCH], 'valid', ARGV[VALID], 'rejected', ARGV[REJECTED])
end
return 0
