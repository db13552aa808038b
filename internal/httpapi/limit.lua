-- Counts a request of a key (GCRA).
-- KEYS[1] when all tokens of the key are refilled, in µs of Redis' clock
-- ARGV[1] µs a token, [2] how many requests may come at once
-- Returns {1 if allowed, tokens left, µs until all are refilled, µs until the next request is allowed}
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full = burst * interval
-- Beyond an empty bucket the value is of a slower rate, or of a clock that has gone backwards.
local used = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0), full)
if used + interval > full then
  return {0, 0, used, used + interval - full}
end
used = used + interval
redis.call('SET', KEYS[1], string.format('%.0f', now + used), 'PX', math.ceil(used / 1000))
return {1, math.floor((full - used) / interval), used, 0}
