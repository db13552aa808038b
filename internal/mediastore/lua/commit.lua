-- Makes the record of a media whose blob is written, unless its content has one.
-- KEYS: 1 record · 2 content · 3 usage
-- ARGV: 1 blob · 2 how long the media is kept (ms) · 3 prefix of records · 4… fields and values of the record
-- Answers the blob that the content has, or false when this one's time was over.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = redis.call('GET', KEYS[2])
if id and redis.call('EXISTS', ARGV[3] .. id) == 1 then
  if id ~= ARGV[1] then
    redis.call('ZADD', KEYS[3], now, ARGV[1])
  end
  return id
end
local reserved = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not reserved or tonumber(reserved) <= now then
  return false
end
local ends = now + ARGV[2]
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'expires', string.format('%d', ends))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[3], string.format('%d', ends), ARGV[1])
return ARGV[1]
