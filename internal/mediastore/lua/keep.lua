-- Keeps a media for a time after its next use. A media is never kept shorter than it was.
-- KEYS: 1 record · 2 usage
-- ARGV: 1 id · 2 next use (Unix ms, 0 for now) · 3 how long it is kept after that (ms) · 4 scope · 5 prefix of contents
-- Answers the record, empty when there is none in the scope.
local record = redis.call('HGETALL', KEYS[1])
local found = {}
for i = 1, #record, 2 do
  found[record[i]] = record[i + 1]
end
if found['scope'] ~= ARGV[4] then
  return {}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = math.max(now, tonumber(ARGV[2])) + ARGV[3]
if ends <= tonumber(found['expires']) then
  return record
end
redis.call('HSET', KEYS[1], 'expires', string.format('%d', ends))
redis.call('PEXPIRE', KEYS[1], string.format('%d', ends - now))
redis.call('PEXPIRE', ARGV[5] .. found['content'], string.format('%d', ends - now))
redis.call('ZADD', KEYS[2], string.format('%d', ends), ARGV[1])
return redis.call('HGETALL', KEYS[1])
