-- Changes the members of a group and answers its generation, which names its task.
-- A group is a sorted set of packed ids by the time they are due (Unix ms), with one more entry, which has an empty name and whose score
-- is the negated generation. It is deleted with its last member; a new group of the same name gets a generation that it never had.
-- A new generation means a new task: the one before is replaced, or is scheduled later than a new member is due.
-- KEYS: 1 group
-- ARGV: 1 generation of the task to replace ('' = none) · 2 number of members to remove · then their ids
--       then for each member to add: time it is due (Unix ms), '' = now · id
-- Answers generation · time the first member is due (Unix ms); an empty list when the group is empty.
local group, NAMELESS = KEYS[1], ''
local removed = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function first() return tonumber(redis.call('ZRANGE', group, 1, 1, 'WITHSCORES')[2]) end
local function renew(generation)
  redis.call('ZADD', group, string.format('%.0f', -generation), NAMELESS)
  return generation
end

local score = redis.call('ZSCORE', group, NAMELESS)
local generation = score and -tonumber(score)
local before = generation and first()

if removed > 0 then redis.call('ZREM', group, unpack(ARGV, 3, 2 + removed)) end
if #ARGV > 2 + removed then
  generation = generation or renew(tonumber(time[1]) * 1000000 + tonumber(time[2]))
  local added = {}
  for a = 3 + removed, #ARGV, 2 do
    added[#added + 1] = ARGV[a] == '' and now or ARGV[a]
    added[#added + 1] = ARGV[a + 1]
  end
  redis.call('ZADD', group, unpack(added))
end

local due = generation and first()
if not due then
  redis.call('DEL', group)
  return {}
end
if ARGV[1] == string.format('%.0f', generation) or before and before > now and due < before then
  generation = renew(generation + 1)
end
return { string.format('%.0f', generation), string.format('%.0f', due) }
