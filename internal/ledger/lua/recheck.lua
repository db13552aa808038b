#!lua flags=allow-oom
-- Sets the next checks of messages of a list, or removes them. A message that a change has placed again meanwhile stays there.
-- The names of KEYS and ARGV are those of positions.go.
-- Answers the number of messages that were placed or removed.
local ids = {}
for a = 0, #ARGV - ROW_ARGS, ROW_ARGS do ids[#ids + 1] = ARGV[a + ID] end
local due = redis.call('ZMSCORE', KEYS[LIST], unpack(ids))

local off, on = {}, {}
for i, id in ipairs(ids) do
  local a = (i - 1) * ROW_ARGS
  if due[i] and tonumber(due[i]) == tonumber(ARGV[a + LISTED_AT]) then
    if ARGV[a + NEXT] == '' then
      off[#off + 1] = id
    else
      on[#on + 1] = ARGV[a + NEXT]
      on[#on + 1] = id
    end
  end
end
if #off > 0 then redis.call('ZREM', KEYS[LIST], unpack(off)) end
if #on > 0 then redis.call('ZADD', KEYS[LIST], unpack(on)) end
return #off + #on / 2
