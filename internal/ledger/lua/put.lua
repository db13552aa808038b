#!lua flags=allow-oom
-- Replaces a record if nobody else has changed it since it was read. Settling
-- must go on when memory is full, hence the flag.
-- KEYS: 1 record · 2 waiting · 3 calls · 4 counts · 5 begins · 6 batch · 7 batch's members · 8 opt-outs of the recipient
-- ARGV: 1 version expected · 2 operation · 3 value · 4 time to live in ms, 0 = none
--       5 packed id · 6 waiting: check in ms, 'off' = remove, '' = it is not on the list · 7 calls: the same
--       8 counter to lower · 9 counter to raise ('' = none)
--       10 worker that begins a call ('' = no begin) · 11 begins it knows of
--       12 epoch it knows of · 13 status before and 14 after, for the batch
--       ('' = no batch) · 15 time the batch is kept once nothing of it is open, in ms
--       16 does the cancel of its batch stop it ('1') · 17 number of the attempt that begins
--       18 channel on which begins are announced
--       19 'open': something of the batch is open again; 'settled': perhaps nothing is any more
--       20 do opt-outs hold the begin back ('1') · 21 call for several messages that begins ('' = none)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local worker = ARGV[10]
local epoch, begins = 0, 0
if worker ~= '' then
  local known = redis.call('HMGET', KEYS[5], 'epoch', worker)
  epoch, begins = tonumber(known[1] or 0), tonumber(known[2] or 0)
end

local current = redis.call('GET', KEYS[1])
if not current then
  return {'gone', now, '', epoch, begins}
end
local version, operation = string.match(current, '^(%d+):([^:]*):')
if operation == ARGV[2] then
  -- Our own write, whose reply was lost. WAIT behind a begin counts only what
  -- its own connection has written, so something has to be written on this one.
  if worker ~= '' then
    redis.call('HSET', KEYS[5], 'epoch', epoch)
  end
  return {'ok', now, '', epoch, begins}
end
if worker ~= '' and (epoch < tonumber(ARGV[12]) or begins < tonumber(ARGV[11])) then
  return {'rollback', now, '', epoch, begins} -- Redis forgot what it had acknowledged
end
if version ~= ARGV[1] then
  return {'conflict', now, current, epoch, begins}
end
local batch = ARGV[13] ~= ''
if batch and worker ~= '' and ARGV[16] == '1' and redis.call('HEXISTS', KEYS[6], 'canceled') == 1 then
  return {'canceled', now, '', epoch, begins}
end
if worker ~= '' and ARGV[20] == '1' and redis.call('EXISTS', KEYS[8]) == 1 then
  return {'held', now, '', epoch, begins}
end

if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
local mark = version % 1000 / 1000 -- tells this place on a list from one before it, also within a millisecond
for i = 2, 3 do
  local delay = ARGV[i + 4]
  if delay == 'off' then
    redis.call('ZREM', KEYS[i], ARGV[5])
  elseif delay ~= '' then
    redis.call('ZADD', KEYS[i], now + tonumber(delay) + mark, ARGV[5])
  end
end
if ARGV[8] ~= '' then
  redis.call('HINCRBY', KEYS[4], ARGV[8], -1)
end
if ARGV[9] ~= '' then
  redis.call('HINCRBY', KEYS[4], ARGV[9], 1)
end
if batch and ARGV[13] ~= ARGV[14] then
  redis.call('HINCRBY', KEYS[6], 'n:' .. ARGV[13], -1)
  redis.call('HINCRBY', KEYS[6], 'n:' .. ARGV[14], 1)
  redis.call('HSET', KEYS[6], 'updated', now)
  if worker ~= '' then
    redis.call('HSETNX', KEYS[6], 'begun', now)
  end
  if ARGV[19] == 'open' then
    redis.call('PERSIST', KEYS[6])
    redis.call('PERSIST', KEYS[7])
  elseif ARGV[19] == 'settled' then
    local open = 0
    for _, n in ipairs(redis.call('HMGET', KEYS[6], 'n:scheduled', 'n:queued', 'n:sending', 'n:unknown')) do
      open = open + (tonumber(n) or 0)
    end
    if open == 0 then
      redis.call('PEXPIRE', KEYS[6], ARGV[15])
      redis.call('PEXPIRE', KEYS[7], ARGV[15])
    end
  end
end
if worker ~= '' then
  epoch = redis.call('HINCRBY', KEYS[5], 'epoch', 1)
  begins = redis.call('HINCRBY', KEYS[5], worker, 1)
  redis.call('PUBLISH', ARGV[18], worker .. ' ' .. ARGV[17] .. ' ' .. epoch .. ' ' .. ARGV[5] .. ARGV[21])
end
return {'ok', now, '', epoch, begins}
