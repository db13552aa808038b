-- Accepts messages of one scope: dedupes, records and counts them, and puts them on the list of their lane.
-- Each row is accepted or not on its own. The names of KEYS and ARGV are those of positions.go.
-- Answers for each row 'ok', 'held' (accepted, but opt-outs of the recipient exist), 'full', 'canceled' or the record that has its key.
-- Nothing is written under another secret ('secret' and it), or to a batch that does not exist ('gone').
local secret = redis.call('GET', KEYS[SECRET])
if not secret then
  redis.call('SET', KEYS[SECRET], ARGV[SECRET_VALUE])
elseif secret ~= ARGV[SECRET_VALUE] then
  return {'secret', secret}
end

local batch, canceled = ARGV[HAS_BATCH] == '1', false
if batch then
  local found = redis.call('HMGET', KEYS[BATCH], 'id', 'canceled')
  if not found[1] then
    return {'gone'}
  end
  canceled = found[2]
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local limit = tonumber(ARGV[LANE_LIMIT])

local waiting = {} -- messages by lane
local function full(lane)
  if limit == 0 then return false end
  if not waiting[lane] then
    local n = redis.call('HMGET', KEYS[COUNTS], 'queued:' .. lane, 'scheduled:' .. lane)
    waiting[lane] = (tonumber(n[1]) or 0) + (tonumber(n[2]) or 0)
  end
  return waiting[lane] >= limit
end

local rows = (#KEYS - FIXED_KEYS) / ROW_KEYS
local optOuts = {}
for i = 1, rows do optOuts[i] = KEYS[FIXED_KEYS + (i - 1) * ROW_KEYS + OPT_OUTS] end
local held = redis.call('EXISTS', unpack(optOuts)) > 0 -- one command for all rows, since the answer is nearly always no
local function accepted(i)
  return held and redis.call('EXISTS', optOuts[i]) == 1 and 'held' or 'ok'
end

local answers, members, raise, inBatch = {}, {}, {}, {}
local due = {} -- by list: scores and packed ids
local changed = { l = {}, c = {} } -- by consumer: scores and packed ids
for i = 1, rows do
  local a, record = FIXED_ARGS + (i - 1) * ROW_ARGS, KEYS[FIXED_KEYS + (i - 1) * ROW_KEYS + RECORD]
  local value, lane = ARGV[a + VALUE], ARGV[a + COUNTER]
  local current = redis.call('GET', record)
  if current then
    answers[i] = current == value and accepted(i) or current -- equal: our own write, whose reply was lost
  elseif canceled then
    answers[i] = 'canceled'
  elseif ARGV[a + CLOSED] == '1' or full(lane) then
    answers[i] = 'full'
  else
    redis.call('SET', record, value)
    if ARGV[a + CONSUMERS] ~= '' then
      for consumer in string.gmatch(ARGV[a + CONSUMERS], '.') do
        table.insert(changed[consumer], now)
        table.insert(changed[consumer], ARGV[a + ID])
      end
    end
    local list = KEYS[WAITING + ARGV[a + LANE]]
    local places = due[list] or {}
    due[list] = places
    places[#places + 1] = ARGV[a + DUE] == '' and now or ARGV[a + DUE]
    places[#places + 1] = ARGV[a + ID]
    members[#members + 1] = ARGV[a + ID]
    local counter = ARGV[a + STATUS] .. ':' .. lane
    raise[counter] = (raise[counter] or 0) + 1
    inBatch[ARGV[a + STATUS]] = (inBatch[ARGV[a + STATUS]] or 0) + 1
    if waiting[lane] then waiting[lane] = waiting[lane] + 1 end
    answers[i] = accepted(i)
  end
end
if #members == 0 then
  return answers
end

for list, places in pairs(due) do
  redis.call('ZADD', list, unpack(places))
end
if #changed.l > 0 then redis.call('ZADD', KEYS[CHANGED_LOG], 'NX', unpack(changed.l)) end
if #changed.c > 0 then redis.call('ZADD', KEYS[CHANGED_CALLBACKS], 'NX', unpack(changed.c)) end
redis.call('LPUSH', KEYS[RECENT], unpack(members))
redis.call('LTRIM', KEYS[RECENT], 0, tonumber(ARGV[RECENT_KEPT]) - 1)
for counter, n in pairs(raise) do
  redis.call('HINCRBY', KEYS[COUNTS], counter, n)
end
if batch then
  for status, n in pairs(inBatch) do
    redis.call('HINCRBY', KEYS[BATCH], 'n:' .. status, n)
  end
  redis.call('HINCRBY', KEYS[BATCH], 'total', #members)
  redis.call('APPEND', KEYS[MEMBERS], table.concat(members))
  redis.call('PERSIST', KEYS[BATCH])
  redis.call('PERSIST', KEYS[MEMBERS])
end
return answers
