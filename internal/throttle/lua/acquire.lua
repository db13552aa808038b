-- Decides whether a call for a message may begin. Running it twice is the same
-- as running it once.
-- KEYS[1] the pause (hash: until, since, code, culprit, probe, lease), absent while open
-- KEYS[2] the suspects (hash: message -> its account answers that counted)
-- ARGV[1] message, [2] lease of a probe, [3] head start, [4] recheck after (ms)
-- Returns {state, wait in ms, suspect, quiet, next probe in Unix ms, Sinch's code};
-- state 0 open, 1 probe, 2 closed
local OPEN, PROBE, CLOSED = 0, 1, 2
local id = ARGV[1]
local lease, headstart, recheck = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local suspect = redis.call('HEXISTS', KEYS[2], id)
local pause = redis.call('HMGET', KEYS[1], 'until', 'probe', 'lease', 'code')
if not pause[1] then
	local quiet = 0
	if redis.call('EXISTS', KEYS[2]) == 0 then quiet = 1 end
	return {OPEN, 0, suspect, quiet, 0, ''}
end

local begins, code = tonumber(pause[1]), pause[4] or ''
local reopens = begins
-- A suspect comes after the others, so that each probe is another message.
if suspect == 1 then reopens = reopens + headstart end
local probe, lease_ends = pause[2], tonumber(pause[3] or 0)

if probe == id and now < lease_ends then
	return {PROBE, 0, suspect, 0, 0, code}
end
if now < reopens then
	return {CLOSED, reopens - now, suspect, 0, begins, code}
end
if probe and now < lease_ends then
	return {CLOSED, math.min(lease_ends - now, recheck), suspect, 0, 0, code}
end
redis.call('HSET', KEYS[1], 'probe', id, 'lease', now + lease)
return {PROBE, 0, suspect, 0, 0, code}
