#!lua flags=allow-oom
-- Removes messages from the list of a consumer, unless they were changed since they were read, and sets the TTL of the records
-- that no other consumer lists.
-- The names of KEYS and ARGV are those of positions.go.
-- Answers the number of removed messages.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local removed = 0
for i = 0, #KEYS - FIXED_KEYS - 1 do
  local record, a = KEYS[FIXED_KEYS + i * ROW_KEYS + RECORD], i * ROW_ARGS
  local id, head, expires = ARGV[a + ID], ARGV[a + HEAD], tonumber(ARGV[a + EXPIRES])
  local current = head ~= '' and redis.call('GETRANGE', record, 0, #head - 1) or '' -- its head; empty: it is gone
  if current ~= '' and current ~= head then
    redis.call('ZADD', KEYS[LIST], 'XX', now, id) -- the age of the backlog is that of the newer change
  else
    removed = removed + redis.call('ZREM', KEYS[LIST], id)
    if current ~= '' and expires > 0 and not redis.call('ZSCORE', KEYS[OTHER_LIST], id) then
      redis.call('PEXPIREAT', record, expires)
    end
  end
end
return removed
