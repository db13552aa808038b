-- Accepts messages of one scope: dedupe, record, count, and the places where
-- they are looked for later. Each row is taken or not on its own.
-- KEYS: 1 secret · 2 waiting · 3 counts · 4 recent ones · 5 batch · 6 batch's members · 7… a record for each row,
--       then the opt-outs of each row's recipient
-- ARGV: 1 secret · 2 recent kept · 3 lane limit (0: none) · 4 is there a batch ('1')
--       then for each row: value · packed id · first check in ms · status · lane · closed ('1': nothing new)
-- Answers for each row 'ok', 'held' (taken, but there are opt-outs to look at), 'full', 'canceled' or the record that has its key.
-- Nothing is written under another secret ('secret' and it), or to a batch that there is not ('gone').
local secret = redis.call('GET', KEYS[1])
if not secret then
  redis.call('SET', KEYS[1], ARGV[1])
elseif secret ~= ARGV[1] then
  return {'secret', secret}
end

local batch, canceled = ARGV[4] == '1', false
if batch then
  local found = redis.call('HMGET', KEYS[5], 'id', 'canceled')
  if not found[1] then
    return {'gone'}
  end
  canceled = found[2]
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local limit = tonumber(ARGV[3])

local waiting = {} -- by lane: how many
local function full(lane)
  if limit == 0 then return false end
  if not waiting[lane] then
    local n = redis.call('HMGET', KEYS[3], 'queued:' .. lane, 'scheduled:' .. lane)
    waiting[lane] = (tonumber(n[1]) or 0) + (tonumber(n[2]) or 0)
  end
  return waiting[lane] >= limit
end

local rows = (#KEYS - 6) / 2
local held = redis.call('EXISTS', unpack(KEYS, 7 + rows)) > 0 -- one question for all, since it is nearly always no
local function taken(i)
  return held and redis.call('EXISTS', KEYS[i + rows]) == 1 and 'held' or 'ok'
end

local answers, checks, members, raise, inBatch = {}, {}, {}, {}, {}
for i = 7, 6 + rows do
  local a = 5 + (i - 7) * 6
  local value, status, lane = ARGV[a], ARGV[a + 3], ARGV[a + 4]
  local current = redis.call('GET', KEYS[i])
  if current then
    answers[#answers + 1] = current == value and taken(i) or current -- equal: our own write, whose reply was lost
  elseif canceled then
    answers[#answers + 1] = 'canceled'
  elseif ARGV[a + 5] == '1' or full(lane) then
    answers[#answers + 1] = 'full'
  else
    redis.call('SET', KEYS[i], value)
    checks[#checks + 1] = now + tonumber(ARGV[a + 2])
    checks[#checks + 1] = ARGV[a + 1]
    members[#members + 1] = ARGV[a + 1]
    local counter = status .. ':' .. lane
    raise[counter] = (raise[counter] or 0) + 1
    inBatch[status] = (inBatch[status] or 0) + 1
    if waiting[lane] then waiting[lane] = waiting[lane] + 1 end
    answers[#answers + 1] = taken(i)
  end
end
if #members == 0 then
  return answers
end

redis.call('ZADD', KEYS[2], unpack(checks))
redis.call('LPUSH', KEYS[4], unpack(members))
redis.call('LTRIM', KEYS[4], 0, tonumber(ARGV[2]) - 1)
for counter, n in pairs(raise) do
  redis.call('HINCRBY', KEYS[3], counter, n)
end
if batch then
  for status, n in pairs(inBatch) do
    redis.call('HINCRBY', KEYS[5], 'n:' .. status, n)
  end
  redis.call('HINCRBY', KEYS[5], 'total', #members)
  redis.call('APPEND', KEYS[6], table.concat(members))
  redis.call('PERSIST', KEYS[5])
  redis.call('PERSIST', KEYS[6])
end
return answers
