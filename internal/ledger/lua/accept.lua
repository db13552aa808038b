-- Accepts a message: dedupe, record, count, and the places where it is looked
-- for later. Everything or nothing.
-- KEYS: 1 record · 2 waiting · 3 counts · 4 recent · 5 secret
-- ARGV: 1 value · 2 operation · 3 message id · 4 first check in ms · 5 counter
--       6 lane · 7 lane limit (0: none, -1: nothing new) · 8 recent kept · 9 created (Unix ms) · 10 secret
local secret = redis.call('GET', KEYS[5])
if not secret then
  redis.call('SET', KEYS[5], ARGV[10])
elseif secret ~= ARGV[10] then
  return {'secret', secret}
end

local current = redis.call('GET', KEYS[1])
if current then
  if string.match(current, '^%d+:([^:]*):') == ARGV[2] then
    return {'ok', ''} -- our own write, whose reply was lost
  end
  return {'known', current}
end

local limit = tonumber(ARGV[7])
if limit ~= 0 then
  local held = redis.call('HMGET', KEYS[3], 'queued:' .. ARGV[6], 'scheduled:' .. ARGV[6])
  if (tonumber(held[1]) or 0) + (tonumber(held[2]) or 0) >= limit then
    return {'full', ''}
  end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[3])
redis.call('HINCRBY', KEYS[3], ARGV[5], 1)
redis.call('ZADD', KEYS[4], ARGV[9], ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -tonumber(ARGV[8]) - 1)
return {'ok', ''}
