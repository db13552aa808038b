#!lua flags=allow-oom
-- Sets the next checks of messages of a list, or removes them. A message that a change has placed again meanwhile stays there.
-- KEYS: 1 list
-- ARGV: for each row: 1 packed id · 2 its score when it was listed · 3 time of the next check (Unix ms), '' = none
local rowArgs = 3
local ids = {}
for a = 1, #ARGV, rowArgs do ids[#ids + 1] = ARGV[a] end
local due = redis.call('ZMSCORE', KEYS[1], unpack(ids))

local off, on = {}, {}
for i, id in ipairs(ids) do
  local a = (i - 1) * rowArgs
  if due[i] and tonumber(due[i]) == tonumber(ARGV[a + 2]) then
    if ARGV[a + 3] == '' then
      off[#off + 1] = id
    else
      on[#on + 1] = ARGV[a + 3]
      on[#on + 1] = id
    end
  end
end
if #off > 0 then redis.call('ZREM', KEYS[1], unpack(off)) end
if #on > 0 then redis.call('ZADD', KEYS[1], unpack(on)) end
return #off + #on / 2
