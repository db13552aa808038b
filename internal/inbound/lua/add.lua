#!lua flags=allow-oom
-- Stores an inbound message, unless Sinch has sent it before.
-- KEYS: 1 record · 2 list of the sender · 3 list of the phone · 4 senders · 5 outbox of events · 6 list of changes for the log · then the marks by
--   which a repetition is recognised, of which the first is written
-- ARGV: 1 id · 2 sender · 3 time of Sinch (Unix ms) · 4 body · 5 how long it is kept, in ms · 6 how long the mark is kept, in ms ·
--   7 '1': the log is on · then the elements of the outbox
-- Answers the id under which the message is stored, and 1 when it was stored now.
local fixedKeys, fixedArgs = 6, 7
for k = fixedKeys + 1, #KEYS do
  local known = redis.call('GET', KEYS[k])
  if known then return {known, 0} end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local at = tonumber(ARGV[3])
if at == 0 or at > now then at = now end
redis.call('SET', KEYS[fixedKeys + 1], ARGV[1], 'PX', ARGV[6])
redis.call('HSET', KEYS[1], 'to', ARGV[2], 'at', at, 'created', now, 'body', ARGV[4])
if ARGV[7] == '1' then
  redis.call('ZADD', KEYS[6], now, ARGV[1]) -- the record expires once it is logged
else
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
for k = 2, 3 do
  redis.call('ZREMRANGEBYSCORE', KEYS[k], '-inf', now - tonumber(ARGV[5]))
  redis.call('ZADD', KEYS[k], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[k], ARGV[5])
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - tonumber(ARGV[5]))
redis.call('ZADD', KEYS[4], now, ARGV[2])
redis.call('PEXPIRE', KEYS[4], ARGV[5])
for a = fixedArgs + 1, #ARGV do
  redis.call('RPUSH', KEYS[5], ARGV[a])
end
return {ARGV[1], 1}
