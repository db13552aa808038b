#!lua flags=allow-oom
-- Records what an attempt at a delivery came to, and what that says about the configuration.
-- KEYS: 1 delivery · 2 list of its endpoint · 3 endpoints · 4 configuration · 5 scopes · 6 counts
-- ARGV: 1 id · 2 endpoint · 3 'delivered', 'failed' or 'retry' · 4 '1': an attempt was made · 5 URL · 6 status of the response or '' · 7 error or ''
--   8 pause before the next attempt in ms · 9 how long the record is kept at the end, in ms · 10 '1': the attempt was made for the configuration
--   11 reason to disable it or '' · 12 after how many ms of failures it is disabled · 13 reason then · 14 its field of scopes · 15 channel
-- Answers '1' when the configuration was disabled.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local known = redis.call('HMGET', KEYS[1], 'status', 'until')
local status, outcome = known[1], ARGV[3]

-- place puts the endpoint at the time of its first delivery.
local function place()
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', KEYS[3], first[2], ARGV[2])
  else
    redis.call('ZREM', KEYS[3], ARGV[2])
  end
end

if not status then
  redis.call('ZREM', KEYS[2], ARGV[1])
  place()
  return '0'
end
if outcome == 'retry' and now >= tonumber(known[2]) and ARGV[4] == '1' then outcome = 'failed' end
if ARGV[4] == '1' then
  redis.call('HINCRBY', KEYS[1], 'attempts', 1)
  redis.call('HSET', KEYS[1], 'last', now, 'url', ARGV[5], 'response', ARGV[6], 'error', ARGV[7])
elseif ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'error', ARGV[7])
end
if status == 'pending' then
  if outcome == 'retry' then
    local at = math.min(now + tonumber(ARGV[8]), math.max(now, tonumber(known[2])))
    redis.call('HSET', KEYS[1], 'next', at)
    redis.call('ZADD', KEYS[2], at, ARGV[1])
  else
    redis.call('HSET', KEYS[1], 'status', outcome)
    redis.call('HDEL', KEYS[1], 'next')
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[9])
    redis.call('HINCRBY', KEYS[6], 'pending', -1)
  end
else
  if outcome == 'delivered' then redis.call('HSET', KEYS[1], 'status', outcome) end
  redis.call('ZREM', KEYS[2], ARGV[1])
end
place()
if ARGV[10] ~= '1' then return '0' end

if outcome == 'delivered' then
  redis.call('HDEL', KEYS[4], 'failingSince')
  return '0'
end
redis.call('HSETNX', KEYS[4], 'failingSince', now)
local found = redis.call('HMGET', KEYS[4], 'failingSince', 'enabled')
local reason = ARGV[11]
if reason == '' and now - tonumber(found[1]) >= tonumber(ARGV[12]) then reason = ARGV[13] end
if reason == '' or found[2] ~= '1' then return '0' end
redis.call('HSET', KEYS[4], 'enabled', '0', 'disabledAt', now, 'disabledReason', reason)
redis.call('HDEL', KEYS[5], ARGV[14])
redis.call('PUBLISH', ARGV[15], '')
return '1'
