-- Records the counts of the latest request of a batch, unless the batch has expired, and raises the usage of the day.
-- The names of KEYS and ARGV are those of positions.go.
if redis.call('EXISTS', KEYS[BATCH]) == 1 then
  redis.call('HSET', KEYS[BATCH], 'valid', ARGV[VALID], 'rejected', ARGV[REJECTED])
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if ARGV[REJECTED] ~= '0' then countUsage(KEYS[USAGES], KEYS[USAGE], 'rejected', tonumber(ARGV[REJECTED]), now, ARGV[USAGE_KEPT]) end
if ARGV[DUPLICATES] ~= '0' then countUsage(KEYS[USAGES], KEYS[USAGE], 'duplicates', tonumber(ARGV[DUPLICATES]), now, ARGV[USAGE_KEPT]) end
return 0
