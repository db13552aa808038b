#!lua flags=allow-oom
-- Replaces records that nobody else has changed since they were read, each on
-- its own and one after another. Settling must go on when memory is full,
-- hence the flag. What the rows change together is written once, at the end.
-- KEYS: 1 waiting · 2 calls · 3 unknown · 4 counts · 5 begins
--       then for each row: record · batch · batch's members · opt-outs of the recipient
-- ARGV: 1 worker of the rows that begin a call ('' = none does) · 2 begins it knows of · 3 epoch it knows of
--       4 channel on which begins are announced · 5 time a batch is kept once nothing of it is open, in ms
--       then for each row what is named below
-- Answers Redis' time in ms, then for each row: verdict · the record on a conflict · epoch · begins.
local fixedKeys, rowKeys, fixedArgs, rowArgs = 5, 4, 5, 17
local RECORD, BATCH_KEY, MEMBERS, OPT_OUTS = 1, 2, 3, 4 -- the keys of a row: its batch's, and the opt-outs of its recipient
-- The arguments of a row.
local VERSION, OPERATION, VALUE = 1, 2, 3 -- the version that is expected; the record that replaces it
local TTL = 4                             -- in ms, 0 = none
local ID = 5                              -- packed
local WAITING, CALLS, UNKNOWN = 6, 7, 8   -- places on the lists: in how many ms to look; 'off' = remove; '' = as it is
local LOWER, RAISE = 9, 10                -- counters, '' = none
local ATTEMPT, CALL = 11, 12              -- number of the attempt that begins, '' = none; call for several messages, '' = none
local LEFT, ENTERED = 13, 14              -- status before and after, for the batch; '' = no batch
local BATCH = 15                          -- 'open': something of the batch is open again; 'settled': perhaps nothing is any more
local CANCELABLE, HELD = 16, 17           -- '1': the cancel of its batch stops it; opt-outs hold its begin back
local PLACES = { WAITING, CALLS, UNKNOWN }
local rows = (#KEYS - fixedKeys) / rowKeys
local worker = ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local epoch, begins = 0, 0
if worker ~= '' then
  local known = redis.call('HMGET', KEYS[5], 'epoch', worker)
  epoch, begins = tonumber(known[1] or 0), tonumber(known[2] or 0)
end
local forgotten = worker ~= '' and (epoch < tonumber(ARGV[3]) or begins < tonumber(ARGV[2])) -- what Redis had acknowledged
local begunBefore = begins

local records, holds = {}, {}
for i = 0, rows - 1 do
  records[i + 1] = KEYS[fixedKeys + i * rowKeys + RECORD]
  holds[i + 1] = KEYS[fixedKeys + i * rowKeys + OPT_OUTS]
end
local found = redis.call('MGET', unpack(records))
local current = {} -- by key: one record may be in several rows
for i, key in ipairs(records) do current[key] = found[i] end
local held = worker ~= '' and redis.call('EXISTS', unpack(holds)) > 0 -- one question for all, since it is nearly always no
local canceled = {} -- by batch

local places = { {}, {}, {} } -- on waiting, calls and unknown, by packed id: when it is looked at, or 'off'
local counts, batches, begun = {}, {}, {}
local repeated = false -- is a begin our own write, whose reply was lost

-- isCanceled asks once for each batch.
local function isCanceled(key)
  if canceled[key] == nil then canceled[key] = redis.call('HEXISTS', key, 'canceled') == 1 end
  return canceled[key]
end

-- verdict tells whether a row may be written.
local function verdict(k, a)
  local record, begin = current[KEYS[k + RECORD]], ARGV[a + ATTEMPT] ~= ''
  if not record then return 'gone' end
  local version, operation = string.match(record, '^(%d+):([^:]*):')
  if operation == ARGV[a + OPERATION] then
    repeated = repeated or begin
    return 'known'
  end
  if begin and forgotten then return 'rollback' end
  if version ~= ARGV[a + VERSION] then return 'conflict' end
  if begin and ARGV[a + LEFT] ~= '' and ARGV[a + CANCELABLE] == '1' and isCanceled(KEYS[k + BATCH_KEY]) then return 'canceled' end
  if begin and held and ARGV[a + HELD] == '1' and redis.call('EXISTS', KEYS[k + OPT_OUTS]) == 1 then return 'held' end
  return 'ok'
end

local function add(sums, name, n) sums[name] = (sums[name] or 0) + n end

-- write changes the record, and notes what else changes with it.
local function write(k, a)
  if ARGV[a + TTL] == '0' then
    redis.call('SET', KEYS[k + RECORD], ARGV[a + VALUE])
  else
    redis.call('SET', KEYS[k + RECORD], ARGV[a + VALUE], 'PX', ARGV[a + TTL])
  end
  current[KEYS[k + RECORD]] = ARGV[a + VALUE]
  local mark = ARGV[a + VERSION] % 1000 / 1000 -- tells this place on a list from one before it, also within a millisecond
  for list = 1, #PLACES do
    local delay = ARGV[a + PLACES[list]]
    if delay == 'off' then
      places[list][ARGV[a + ID]] = 'off'
    elseif delay ~= '' then
      places[list][ARGV[a + ID]] = now + tonumber(delay) + mark
    end
  end
  if ARGV[a + LOWER] ~= '' then add(counts, ARGV[a + LOWER], -1) end
  if ARGV[a + RAISE] ~= '' then add(counts, ARGV[a + RAISE], 1) end
  local begin = ARGV[a + ATTEMPT] ~= ''
  if ARGV[a + LEFT] ~= ARGV[a + ENTERED] then
    local batch = batches[KEYS[k + BATCH_KEY]] or { members = KEYS[k + MEMBERS], moved = {} }
    batches[KEYS[k + BATCH_KEY]] = batch
    add(batch.moved, ARGV[a + LEFT], -1)
    add(batch.moved, ARGV[a + ENTERED], 1)
    batch.begun = batch.begun or begin
    batch.answered = batch.answered or ARGV[a + LEFT] == 'sending'
    batch.open = batch.open or ARGV[a + BATCH] == 'open'
    batch.settled = batch.settled or ARGV[a + BATCH] == 'settled'
  end
  if begin then
    epoch, begins = epoch + 1, begins + 1
    begun[#begun + 1] = ARGV[a + ATTEMPT] .. ' ' .. #ARGV[a + CALL] .. ' ' .. ARGV[a + ID] .. ARGV[a + CALL]
  end
end

local answers = { now }
for i = 1, rows do
  local k, a = fixedKeys + (i - 1) * rowKeys, fixedArgs + (i - 1) * rowArgs
  local said = verdict(k, a)
  if said == 'ok' then write(k, a) end
  answers[#answers + 1] = said == 'known' and 'ok' or said
  answers[#answers + 1] = said == 'conflict' and current[KEYS[k + RECORD]] or ''
  answers[#answers + 1] = epoch
  answers[#answers + 1] = begins
end

for list = 1, #PLACES do
  local off, on = {}, {}
  for id, at in pairs(places[list]) do
    if at == 'off' then
      off[#off + 1] = id
    else
      on[#on + 1] = at
      on[#on + 1] = id
    end
  end
  if #off > 0 then redis.call('ZREM', KEYS[list], unpack(off)) end
  if #on > 0 then redis.call('ZADD', KEYS[list], unpack(on)) end
end
for counter, n in pairs(counts) do
  if n ~= 0 then redis.call('HINCRBY', KEYS[4], counter, n) end
end
for key, batch in pairs(batches) do
  for status, n in pairs(batch.moved) do
    if n ~= 0 then redis.call('HINCRBY', key, 'n:' .. status, n) end
  end
  if batch.answered then redis.call('HSET', key, 'answered', now) end
  if batch.begun then redis.call('HSETNX', key, 'begun', now) end
  if batch.open then
    redis.call('PERSIST', key)
    redis.call('PERSIST', batch.members)
  end
  if batch.settled then
    local open = 0
    for _, n in ipairs(redis.call('HMGET', key, 'n:scheduled', 'n:queued', 'n:sending', 'n:unknown')) do
      open = open + (tonumber(n) or 0)
    end
    if open == 0 then
      redis.call('PEXPIRE', key, ARGV[5])
      redis.call('PEXPIRE', batch.members, ARGV[5])
    end
  end
end
if #begun > 0 then
  redis.call('HINCRBY', KEYS[5], 'epoch', #begun)
  redis.call('HINCRBY', KEYS[5], worker, begins - begunBefore)
  redis.call('PUBLISH', ARGV[4], worker .. ' ' .. epoch .. ' ' .. table.concat(begun))
elseif repeated then
  -- WAIT behind a begin counts only what its own connection has written, so
  -- something has to be written on this one.
  redis.call('HSET', KEYS[5], 'epoch', epoch)
end
return answers
