-- Records the outcome of a message that was let in. Running it twice is the same
-- as running it once, except that a message found to be alone becomes a suspect
-- again: it takes another round to fail it.
-- KEYS[1] the pause, KEYS[2] the suspects (see acquire.lua)
-- ARGV[1] message, [2] 'passed', 'account' or 'released'
-- ARGV[3] pause, [4] head start, [5] TTL of suspects (ms), [6] account answers that fail a message
-- ARGV[7] Sinch's code of an account answer
-- Returns {1 when the trouble is this message alone, wait in ms}
local id, outcome = ARGV[1], ARGV[2]
local length, headstart, ttl = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local limit, code = tonumber(ARGV[6]), ARGV[7]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local pause = redis.call('HMGET', KEYS[1], 'until', 'culprit', 'probe', 'since')
local reopens, culprit = tonumber(pause[1]), pause[2]
local is_probe = pause[3] == id
local since = pause[4] or now

local function free_the_probe()
	if is_probe then redis.call('HDEL', KEYS[1], 'probe', 'lease') end
end

local function close(culprit_now)
	redis.call('DEL', KEYS[1])
	-- One more, since now is cut to whole milliseconds: never less than a pause.
	redis.call('HSET', KEYS[1], 'until', now + length + 1, 'culprit', culprit_now, 'since', since, 'code', code)
	redis.call('PEXPIRE', KEYS[1], ttl)
	return {0, length + headstart}
end

if outcome == 'released' then
	free_the_probe()
	return {0, 0}
end

if outcome == 'passed' then
	redis.call('HDEL', KEYS[2], id)
	if is_probe then
		-- Another message passed after the only one that had been refused.
		if culprit and culprit ~= '' and culprit ~= id and redis.call('HEXISTS', KEYS[2], culprit) == 1 then
			redis.call('HINCRBY', KEYS[2], culprit, 1)
		end
		redis.call('DEL', KEYS[1])
	end
	return {0, 0}
end

local counted = tonumber(redis.call('HGET', KEYS[2], id) or 0)
if counted >= limit - 1 then
	free_the_probe()
	redis.call('HDEL', KEYS[2], id)
	return {1, 0}
end
redis.call('HSETNX', KEYS[2], id, 0)
redis.call('PEXPIRE', KEYS[2], ttl)

if not reopens then
	return close(id)
end
-- A second message that is refused before one passes: it is the account.
if culprit ~= id then culprit = '' end
if is_probe then
	return close(culprit)
end
-- It was under way when the pause began, which is not made longer for it.
redis.call('HSET', KEYS[1], 'culprit', culprit)
return {0, math.max(reopens - now, 0) + headstart}
