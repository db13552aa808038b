-- Records the counts of the latest request of a batch, unless the batch has expired.
-- KEYS: 1 batch · ARGV: 1 valid rows · 2 rejected rows
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'valid', ARGV[1], 'rejected', ARGV[2])
end
return 0
