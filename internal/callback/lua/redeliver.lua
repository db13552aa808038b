-- Makes a delivery due now, and starts the time for which it is tried again.
-- KEYS: 1 delivery · 2 list of its endpoint · 3 endpoints · 4 counts · ARGV: 1 id · 2 endpoint · 3 for how long it is tried, in ms
-- Answers 1, or 0 when there is no such delivery.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if status ~= 'pending' then redis.call('HINCRBY', KEYS[4], 'pending', 1) end
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], 'status', 'pending', 'next', now, 'until', now + tonumber(ARGV[3]))
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[3], 'LT', now, ARGV[2])
return 1
