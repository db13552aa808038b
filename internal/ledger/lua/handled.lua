#!lua flags=allow-oom
-- Removes messages from the list of a consumer, unless they were changed since they were read, and sets the TTL of the records
-- that no other consumer lists.
-- KEYS: 1 the consumer's list · 2 the list of the other consumer · then a record each
-- ARGV: for each record: 1 packed id · 2 head of the record as it was read; '' = there was none · 3 when it expires (Unix ms); 0 = never
-- Answers the number of removed messages.
local fixedKeys, rowArgs = 2, 3
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local removed = 0
for i = 1, #KEYS - fixedKeys do
  local record, a = KEYS[fixedKeys + i], (i - 1) * rowArgs
  local id, head, expires = ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3])
  local current = redis.call('GET', record)
  if head ~= '' and current and string.sub(current, 1, #head) ~= head then
    redis.call('ZADD', KEYS[1], 'XX', now, id) -- the age of the backlog is that of the newer change
  else
    removed = removed + redis.call('ZREM', KEYS[1], id)
    if head ~= '' and current and expires > 0 and not redis.call('ZSCORE', KEYS[2], id) then
      redis.call('PEXPIREAT', record, expires)
    end
  end
end
return removed
