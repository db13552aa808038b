#!lua flags=allow-oom
-- Replaces records that have not changed since they were read, each on its own and one after another. Sending must go on
-- when memory is full, hence the flag. Counts and lists that several rows change are written once, at the end.
-- The names of KEYS and ARGV are those of positions.go.
-- Answers Redis' time in ms, then for each row: verdict · the record on a conflict · epoch · begins.
local rows = (#KEYS - FIXED_KEYS) / ROW_KEYS
local worker = ARGV[WORKER]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local epoch, begins = 0, 0
if worker ~= '' then
  local known = redis.call('HMGET', KEYS[BEGINS], 'epoch', worker)
  epoch, begins = tonumber(known[1] or 0), tonumber(known[2] or 0)
end
local rolledBack = worker ~= '' and (epoch < tonumber(ARGV[KNOWN_EPOCH]) or begins < tonumber(ARGV[KNOWN_BEGINS]))
local begunBefore = begins

local records, optOuts = {}, {}
for i = 0, rows - 1 do
  records[i + 1] = KEYS[FIXED_KEYS + i * ROW_KEYS + RECORD]
  optOuts[i + 1] = KEYS[FIXED_KEYS + i * ROW_KEYS + OPT_OUTS]
end
local found = redis.call('MGET', unpack(records))
local current = {} -- by key: one record may be in several rows
for i, key in ipairs(records) do current[key] = found[i] end
local suppressed = worker ~= '' and redis.call('EXISTS', unpack(optOuts)) > 0 -- one command for all rows, since the answer is nearly always no
local canceled = {} -- by batch

local places = {} -- by list, then by packed id: the score, or 'off'
local counts, shares, batches, begun = {}, {}, {}, {}
local usage = {} -- by day of a scope
local changed = { l = {}, c = {} } -- by consumer: scores and packed ids
local repeated = false -- whether a begin is our own write, repeated after a missing reply

-- isCanceled reads the mark once for each batch.
local function isCanceled(key)
  if canceled[key] == nil then canceled[key] = redis.call('HEXISTS', key, 'canceled') == 1 end
  return canceled[key]
end

-- verdict is 'ok' for a row to write, 'known' for one that this operation has written before, else the reason of the refusal.
local function verdict(k, a)
  local record, begin = current[KEYS[k + RECORD]], ARGV[a + ATTEMPT] ~= ''
  if not record then return 'gone' end
  local head, operation = string.match(record, '^(%d+:([^:]*):)')
  if operation == ARGV[a + OPERATION] then
    repeated = repeated or begin
    return 'known'
  end
  if begin and rolledBack then return 'rollback' end
  if head ~= ARGV[a + HEAD] then return 'conflict' end
  if begin and ARGV[a + FROM] ~= '' and ARGV[a + CANCELABLE] == '1' and isCanceled(KEYS[k + BATCH]) then return 'canceled' end
  if begin and suppressed and ARGV[a + SUPPRESSED] == '1' and redis.call('EXISTS', KEYS[k + OPT_OUTS]) == 1 then return 'suppressed' end
  return 'ok'
end

local function add(sums, name, n) sums[name] = (sums[name] or 0) + n end

-- place sets the score of a row on a list, or removes it. The fraction of the score distinguishes this place from an earlier one of
-- the same millisecond.
local function place(a, list, at, from)
  if at == '' then return end
  places[list] = places[list] or {}
  places[list][ARGV[a + ID]] = at == 'off' and 'off' or from + at + string.match(ARGV[a + HEAD], '^%d+') % 1000 / 1000
end

-- account moves a row from one count to another in the share of its tenant, and its bytes with it.
local function account(k, a)
  local share = shares[KEYS[k + TENANT]] or {}
  shares[KEYS[k + TENANT]] = share
  if ARGV[a + LOWER] ~= '' then add(share, ARGV[a + LOWER], -1) end
  if ARGV[a + RAISE] ~= '' then add(share, ARGV[a + RAISE], 1) end
  local from, to = ARGV[a + BYTES_FROM], ARGV[a + BYTES_TO]
  local before = recordBytes(current[KEYS[k + RECORD]]) + (from == 'bytes' and OPEN_BYTES or KEPT_BYTES)
  local after = recordBytes(ARGV[a + VALUE]) + (to == 'bytes' and OPEN_BYTES or KEPT_BYTES)
  add(share, from, -before)
  add(share, to, after)
  add(share, 'total', after - before)
end

-- write replaces the record, and collects the changes of counts and lists.
local function write(k, a)
  account(k, a)
  if ARGV[a + TTL] == '0' or ARGV[a + CONSUMERS] ~= '' then -- the last consumer sets the TTL
    redis.call('SET', KEYS[k + RECORD], ARGV[a + VALUE])
  else
    redis.call('SET', KEYS[k + RECORD], ARGV[a + VALUE], 'PX', ARGV[a + TTL])
  end
  current[KEYS[k + RECORD]] = ARGV[a + VALUE]
  if ARGV[a + CONSUMERS] ~= '' then
    for consumer in string.gmatch(ARGV[a + CONSUMERS], '.') do
      table.insert(changed[consumer], now)
      table.insert(changed[consumer], ARGV[a + ID])
    end
  end
  place(a, KEYS[WAITING + ARGV[a + LANE]], ARGV[a + AT_WAITING], 0)
  place(a, KEYS[CALLS], ARGV[a + AT_CALLS], now)
  place(a, KEYS[UNKNOWN], ARGV[a + AT_UNKNOWN], now)
  place(a, KEYS[CONTENT], ARGV[a + AT_CONTENT], now)
  if ARGV[a + AT_UNKNOWN] == 'off' then
    redis.call('ZREM', KEYS[k + UNKNOWN_OF_SCOPE], ARGV[a + ID])
  elseif ARGV[a + AT_UNKNOWN] ~= '' then
    redis.call('ZADD', KEYS[k + UNKNOWN_OF_SCOPE], ARGV[a + CREATED], ARGV[a + ID])
    if ARGV[a + TTL] ~= '0' then redis.call('PEXPIRE', KEYS[k + UNKNOWN_OF_SCOPE], ARGV[a + TTL]) end -- all that it lists expire
  end
  if ARGV[a + LOWER] ~= '' then add(counts, ARGV[a + LOWER], -1) end
  if ARGV[a + RAISE] ~= '' then add(counts, ARGV[a + RAISE], 1) end
  for event in string.gmatch(ARGV[a + EVENT], '%a+') do
    usage[KEYS[k + USAGE]] = usage[KEYS[k + USAGE]] or {}
    add(usage[KEYS[k + USAGE]], event, 1)
  end
  local begin = ARGV[a + ATTEMPT] ~= ''
  if ARGV[a + FROM] ~= ARGV[a + TO] then
    local batch = batches[KEYS[k + BATCH]] or { members = KEYS[k + MEMBERS], moved = {} }
    batches[KEYS[k + BATCH]] = batch
    add(batch.moved, ARGV[a + FROM], -1)
    add(batch.moved, ARGV[a + TO], 1)
    batch.begun = batch.begun or begin
    local waits = ARGV[a + TO] == 'scheduled' or ARGV[a + TO] == 'queued' or ARGV[a + TO] == 'sending'
    batch.ended = batch.ended or not waits and string.find(ARGV[a + CONSUMERS], 'c', 1, true)
    batch.answered = batch.answered or ARGV[a + FROM] == 'sending'
    if ARGV[a + FROM] == 'sending' and ARGV[a + TO] ~= 'queued' and ARGV[a + TO] ~= 'scheduled' then
      batch.called = (batch.called or 0) + 1
    end
    batch.open = batch.open or ARGV[a + BATCH_STAY] == 'open'
    batch.test = batch.test or ARGV[a + BATCH_STAY] == 'closed test'
    batch.closed = batch.closed or batch.test or ARGV[a + BATCH_STAY] == 'closed'
  end
  if begin then
    epoch, begins = epoch + 1, begins + 1
    begun[#begun + 1] = ARGV[a + ATTEMPT] .. ' ' .. #ARGV[a + CALL] .. ' ' .. ARGV[a + ID] .. ARGV[a + CALL]
  end
end

local answers = { now }
for i = 1, rows do
  local k, a = FIXED_KEYS + (i - 1) * ROW_KEYS, FIXED_ARGS + (i - 1) * ROW_ARGS
  local answer = verdict(k, a)
  if answer == 'ok' then write(k, a) end
  answers[#answers + 1] = answer == 'known' and 'ok' or answer
  answers[#answers + 1] = answer == 'conflict' and current[KEYS[k + RECORD]] or ''
  answers[#answers + 1] = epoch
  answers[#answers + 1] = begins
end

for list, entries in pairs(places) do
  local off, on = {}, {}
  for id, at in pairs(entries) do
    if at == 'off' then
      off[#off + 1] = id
    else
      on[#on + 1] = at
      on[#on + 1] = id
    end
  end
  if #off > 0 then redis.call('ZREM', list, unpack(off)) end
  if #on > 0 then redis.call('ZADD', list, unpack(on)) end
end
if #changed.l > 0 then redis.call('ZADD', KEYS[CHANGED_LOG], 'NX', unpack(changed.l)) end
if #changed.c > 0 then redis.call('ZADD', KEYS[CHANGED_CALLBACKS], 'NX', unpack(changed.c)) end
for counter, n in pairs(counts) do
  if n ~= 0 then redis.call('HINCRBY', KEYS[COUNTS], counter, n) end
end
for key, share in pairs(shares) do
  for field, n in pairs(share) do
    if n ~= 0 then redis.call('HINCRBY', key, field, n) end
  end
end
for key, events in pairs(usage) do
  for event, n in pairs(events) do countUsage(KEYS[USAGES], key, event, n, now, ARGV[USAGE_KEPT]) end
end
for key, batch in pairs(batches) do
  for status, n in pairs(batch.moved) do
    if n ~= 0 then redis.call('HINCRBY', key, 'n:' .. status, n) end
  end
  if batch.answered then redis.call('HSET', key, 'answered', now) end
  if batch.called then -- in 13 slots of 5 s, for the rate of the last minute: the slot and its calls
    local slot = math.floor(now / 5000)
    local field = 'rate:' .. slot % 13
    local was, calls = string.match(redis.call('HGET', key, field) or '', '^(%d+) (%d+)$')
    if tonumber(was) ~= slot then calls = 0 end
    redis.call('HSET', key, field, string.format('%d %d', slot, calls + batch.called))
  end
  if batch.ended then redis.call('ZADD', KEYS[CHANGED_BATCHES], now, key) end
  if batch.begun then redis.call('HSETNX', key, 'begun', now) end
  if batch.open then
    redis.call('PERSIST', key)
    redis.call('PERSIST', batch.members)
  end
  if batch.closed then
    local open = 0
    for _, n in ipairs(redis.call('HMGET', key, 'n:scheduled', 'n:queued', 'n:sending', batch.test and 'n:' or 'n:unknown')) do
      open = open + (tonumber(n) or 0)
    end
    if open == 0 then
      redis.call('PEXPIRE', key, ARGV[BATCH_TTL])
      redis.call('PEXPIRE', batch.members, ARGV[BATCH_TTL])
    end
  end
end
if #begun > 0 then
  redis.call('HINCRBY', KEYS[BEGINS], 'epoch', #begun)
  redis.call('HINCRBY', KEYS[BEGINS], worker, begins - begunBefore)
  redis.call('PUBLISH', ARGV[CHANNEL], worker .. ' ' .. epoch .. ' ' .. table.concat(begun))
elseif repeated then
  -- WAIT covers only the writes of its own connection, so that this one has to write something.
  redis.call('HSET', KEYS[BEGINS], 'epoch', epoch)
end
return answers
