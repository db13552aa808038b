-- Takes up to n tokens of the account's pace (GCRA), unless calls back off or
-- give way to a high waiter of another process.
-- KEYS[1] the pace (µs: when all taken tokens are refilled), [2] marker of a high waiter
-- KEYS[3] slowness (its remaining life is the level), [4] backoff after "too fast"
-- KEYS[5] the pace that an operator set (hash: perSecond), in place of ARGV[2] and [3]
-- ARGV[1] n, [2] µs a token at full pace (0: there is no pace), [3] burst
-- ARGV[4] 1: there is a high waiter, [5] our id, [6] TTL of the marker, [7] ms a level, [8] highest level
-- ARGV[9] the part of a second's worth that may begin at once
-- Returns {tokens, µs until the next, 1 when another process has a high waiter, µs a token at full pace}
local n, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local set = tonumber(redis.call('HGET', KEYS[5], 'perSecond') or '')
if set == 0 then
	interval = 0
elseif set then
	interval, burst = math.ceil(1000000 / set), math.max(1, math.floor(set / tonumber(ARGV[9])))
end
local full = interval

if interval > 0 and ARGV[4] == '1' then
	redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
end
local backoff = redis.call('PTTL', KEYS[4])
if backoff > 0 then return {0, backoff * 1000, 0, full} end
if interval == 0 then return {n, 0, 0, 0} end
if ARGV[4] ~= '1' and redis.call('EXISTS', KEYS[2]) == 1 then return {0, 0, 1, full} end

local level = math.min(math.max(redis.call('PTTL', KEYS[3]) / tonumber(ARGV[7]), 0), tonumber(ARGV[8]))
interval = math.ceil(interval * 2 ^ level)

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- Beyond an empty bucket the value comes from a clock that has gone backwards,
-- or from a slower pace: it never keeps calls back for longer than one token.
local stored = tonumber(redis.call('GET', KEYS[1]) or 0)
local tat = math.min(math.max(stored, now), now + burst * interval)
local room = now + burst * interval - tat
local granted = math.min(n, math.floor(room / interval))
tat = tat + granted * interval
if granted > 0 or tat < stored then
	redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
end
if granted == n then return {granted, 0, 0, full} end
return {granted, tat + interval - (now + burst * interval), 0, full}
