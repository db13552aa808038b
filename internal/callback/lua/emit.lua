-- Records the events of one subject (a message, a batch, …) once: their deliveries, and their entries of the stream.
-- KEYS: 1 how far the subject's events came · 2 stream · 3 deliveries of the scope · 4 endpoints · 5 counts · then for each
--   delivery: its record, the list of its endpoint
-- ARGV: 1 how far they had come when they were read · 2 how far they come · 3 state there · 4 how long that is kept, in ms; 0 = for good
--   5 scope · 6 entries of the stream · 7 its most entries · 8 how long it is kept, in ms · then for each entry: type, data
--   · then for each delivery: id, endpoint, type, subject, URL or '', data or '', until when it is tried (ms from now)
-- Answers 1, or 0 when the events were recorded before.
local deliveryKeys, deliveryArgs, entryArgs = 2, 7, 2
local n = redis.call('HGET', KEYS[1], 'n') or ''
if n ~= ARGV[1] then return 0 end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'n', ARGV[2], 'status', ARGV[3])
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
elseif n ~= '' then
  redis.call('PERSIST', KEYS[1])
end

local a = 8
for _ = 1, tonumber(ARGV[6]) do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', 'type', ARGV[a + 1], 'data', ARGV[a + 2])
  a = a + entryArgs
end
if a > 8 then redis.call('PEXPIRE', KEYS[2], ARGV[8]) end
local count = (#KEYS - 5) / deliveryKeys
for i = 1, count do
  local record, due = KEYS[5 + (i - 1) * deliveryKeys + 1], KEYS[5 + (i - 1) * deliveryKeys + 2]
  local id, endpoint = ARGV[a + 1], ARGV[a + 2]
  redis.call('HSET', record, 'scope', ARGV[5], 'type', ARGV[a + 3], 'subject', ARGV[a + 4], 'endpoint', endpoint, 'status', 'pending',
    'created', now, 'next', now, 'until', now + tonumber(ARGV[a + 7]))
  if ARGV[a + 5] ~= '' then redis.call('HSET', record, 'own', ARGV[a + 5]) end
  if ARGV[a + 6] ~= '' then redis.call('HSET', record, 'data', ARGV[a + 6]) end
  redis.call('ZADD', KEYS[3], now, id)
  redis.call('ZADD', due, now, id)
  redis.call('ZADD', KEYS[4], 'LT', now, endpoint)
  a = a + deliveryArgs
end
if count > 0 then redis.call('HINCRBY', KEYS[5], 'pending', count) end
return 1
