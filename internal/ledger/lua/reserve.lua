-- Reserves messages of the quota of an API key for a batch, all or none, or ends the reservation.
-- The names of KEYS and ARGV are those of positions.go. Answers 1 when the messages are reserved.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local quota, n = readQuota(KEYS[QUOTA], now), tonumber(ARGV[MESSAGES])
if n > 0 and quota.n + quota.held + n > tonumber(ARGV[DAILY]) then return 0 end
writeQuota(KEYS[QUOTA], quota, 'hold:' .. ARGV[HOLD], { n = n, ends = now + tonumber(ARGV[FOR]) })
return 1
