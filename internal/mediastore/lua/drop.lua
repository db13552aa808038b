-- Drops the entries of deleted blobs. One that is not due any more stays counted.
-- KEYS: 1 usage · 2 sizes · 3 total
-- ARGV: the blobs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, blob in ipairs(ARGV) do
  local ends = redis.call('ZSCORE', KEYS[1], blob)
  if ends and tonumber(ends) <= now then
    redis.call('ZREM', KEYS[1], blob)
    redis.call('INCRBY', KEYS[3], -(tonumber(redis.call('HGET', KEYS[2], blob)) or 0))
    redis.call('HDEL', KEYS[2], blob)
  end
end
return 1
