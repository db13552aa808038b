-- Changes the members of a group and answers which task stands for it.
-- A group is a sorted set of packed ids by the time they are due (Unix ms), with one more entry, which has no name and whose score is the
-- negated generation. It is deleted with its last member; a group that is there again gets a generation that it never had.
-- A new generation stands for a new task: the one before hands the group on, or waits longer than a new member does.
-- KEYS: 1 group
-- ARGV: 1 generation of the task that hands the group on ('' = none) · 2 number of members that leave · then their ids
--       then for each member that joins: time it is due (Unix ms), '' = now · id
-- Answers generation · time the first member is due (Unix ms); nothing when the group is empty.
local group, NAMELESS = KEYS[1], ''
local leave = tonumber(ARGV[2])
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

if leave > 0 then redis.call('ZREM', group, unpack(ARGV, 3, 2 + leave)) end
if #ARGV > 2 + leave then
  generation = generation or renew(tonumber(time[1]) * 1000000 + tonumber(time[2]))
  local joins = {}
  for a = 3 + leave, #ARGV, 2 do
    joins[#joins + 1] = ARGV[a] == '' and now or ARGV[a]
    joins[#joins + 1] = ARGV[a + 1]
  end
  redis.call('ZADD', group, unpack(joins))
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
