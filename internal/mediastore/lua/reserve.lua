-- Counts a blob before it is written, if the store has room for it.
-- KEYS: 1 usage (blob by the end of its time) · 2 sizes · 3 total
-- ARGV: 1 blob · 2 bytes · 3 how long it may stay without a media (ms) · 4 largest total, 0 for no limit
-- Answers 1 when the blob may be written.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return 1
end
local most = tonumber(ARGV[4])
if most > 0 and (tonumber(redis.call('GET', KEYS[3])) or 0) + ARGV[2] > most then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('INCRBY', KEYS[3], ARGV[2])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1
