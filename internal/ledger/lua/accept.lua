-- Accepts messages of one scope: dedupes, records and counts them, and puts them on the list of their lane.
-- Each row is accepted or not on its own. The names of KEYS and ARGV are those of positions.go.
-- Answers for each row 'ok', 'suppressed' (accepted, but opt-outs of the recipient exist), 'full', 'share' (the tenant has its share),
-- 'quota' (the daily quota of the API key is used up), 'canceled' or the record that has its key.
-- Nothing is written under another secret (the answer is 'secret' and the current one), or to a batch that does not exist ('gone').
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
local laneLimit, tenantLimit = tonumber(ARGV[LANE_LIMIT]), tonumber(ARGV[TENANT_LIMIT])

-- The bytes that may still be accepted: those of a process' reading of Redis' memory, less the bytes accepted since by all processes.
local room = tonumber(ARGV[MEMORY_ROOM])
if room then
  room = room - math.max(0, (tonumber(redis.call('GET', KEYS[MEMORY])) or 0) - tonumber(ARGV[MEMORY_READ]))
end

-- dropExpired sums the total of a tenant up again, once in each period: without the bytes of expired records, and without those of
-- open messages where there are none.
local function dropExpired(period)
  local bytes, open, off, total = 0, 0, {}, 0
  local fields = redis.call('HGETALL', KEYS[TENANT])
  for i = 1, #fields, 2 do
    local field, n = fields[i], tonumber(fields[i + 1])
    local expires = tonumber(field)
    if field == 'bytes' then
      bytes = n
    elseif string.find(field, ':') then
      open = open + math.max(0, n)
    elseif expires and expires < period then
      off[#off + 1] = field
    elseif expires then
      total = total + math.max(0, n)
    end
  end
  if open == 0 then bytes = 0 end
  total = total + math.max(0, bytes)
  if #off > 0 then redis.call('HDEL', KEYS[TENANT], unpack(off)) end
  redis.call('HSET', KEYS[TENANT], 'bytes', bytes, 'total', total, 'period', period)
  return total
end

-- share is the number of bytes that the tenant may still have accepted.
local share = tonumber(ARGV[TENANT_MEMORY])
if share then
  local known = redis.call('HMGET', KEYS[TENANT], 'total', 'period')
  local period = math.floor(now / tonumber(ARGV[PERIOD]))
  share = share - (known[2] == tostring(period) and tonumber(known[1]) or dropExpired(period))
end

-- left is how many messages the API key may still have accepted today; nil: no limit.
local daily, quota, left = tonumber(ARGV[DAILY]), nil, nil
local hold = ARGV[HOLD] ~= '' and 'hold:' .. ARGV[HOLD] or nil
if daily > 0 then
  quota = readQuota(KEYS[QUOTA], now)
  left = daily - quota.n - quota.held + (hold and quota.holds[hold] and quota.holds[hold].n or 0)
end

local waiting = {} -- messages by lane: in all, and of the tenant
local function waits(key, lane)
  local n = redis.call('HMGET', key, 'queued:' .. lane, 'scheduled:' .. lane)
  return (tonumber(n[1]) or 0) + (tonumber(n[2]) or 0)
end

-- refusal returns the verdict on a row that is not accepted; nil: it is accepted.
local function refusal(lane, bytes)
  if left and left <= 0 then return 'quota' end
  local n = waiting[lane]
  if not n then
    n = { all = laneLimit > 0 and waits(KEYS[COUNTS], lane) or 0, tenant = tenantLimit > 0 and waits(KEYS[TENANT], lane) or 0 }
    waiting[lane] = n
  end
  if laneLimit > 0 and n.all >= laneLimit or room and room < bytes then return 'full' end
  if tenantLimit > 0 and n.tenant >= tenantLimit or share and share < bytes then return 'share' end
end

local rows = (#KEYS - FIXED_KEYS) / ROW_KEYS
local optOuts = {}
for i = 1, rows do optOuts[i] = KEYS[FIXED_KEYS + (i - 1) * ROW_KEYS + OPT_OUTS] end
local suppressed = redis.call('EXISTS', unpack(optOuts)) > 0 -- one command for all rows, since the answer is nearly always no
local function accepted(i)
  return suppressed and redis.call('EXISTS', optOuts[i]) == 1 and 'suppressed' or 'ok'
end

-- store writes a record, unless Redis is full.
local function store(record, value)
  local stored = redis.pcall('SET', record, value)
  if not stored.err then return true end
  if not string.find(stored.err, 'OOM', 1, true) then error(stored) end
end

local answers, members, raise, inBatch = {}, {}, {}, {}
local due = {} -- by list: scores and packed ids
local changed = { l = {}, c = {} } -- by consumer: scores and packed ids
local stored = 0 -- bytes
for i = 1, rows do
  local a, record = FIXED_ARGS + (i - 1) * ROW_ARGS, KEYS[FIXED_KEYS + (i - 1) * ROW_KEYS + RECORD]
  local value, lane = ARGV[a + VALUE], ARGV[a + COUNTER]
  local bytes = recordBytes(value) + OPEN_BYTES
  local current = redis.call('GET', record)
  if current then
    answers[i] = current == value and accepted(i) or current -- equal: our own write, repeated after a missing reply
  elseif canceled then
    answers[i] = 'canceled'
  elseif ARGV[a + CLOSED] == '1' then
    answers[i] = 'full'
  else
    answers[i] = refusal(lane, bytes) or not store(record, value) and 'full' or nil
  end
  if not answers[i] then
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
    waiting[lane].all, waiting[lane].tenant = waiting[lane].all + 1, waiting[lane].tenant + 1
    left = left and left - 1
    room, share, stored = room and room - bytes, share and share - bytes, stored + bytes
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
  redis.call('HINCRBY', KEYS[TENANT], counter, n)
end
redis.call('HINCRBY', KEYS[TENANT], 'bytes', stored)
redis.call('HINCRBY', KEYS[TENANT], 'total', stored)
redis.call('INCRBY', KEYS[MEMORY], stored)
countUsage(KEYS[USAGES], KEYS[USAGE], 'accepted', #members, now, ARGV[USAGE_KEPT])
if quota then
  local reserved = hold and quota.holds[hold]
  quota.n = quota.n + #members
  if reserved then reserved.n = reserved.n - #members end
  writeQuota(KEYS[QUOTA], quota, hold, reserved)
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
