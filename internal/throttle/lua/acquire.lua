-- Decides whether a request for a message may begin. It is idempotent.
-- KEYS[1] the pause (hash), absent while the gate is open:
--         until, since, code, culprit, probe, lease, tenant (of all that were refused in it; '' = several),
--         others (set once a message of another tenant waits)
-- KEYS[2] the suspects (hash: message -> answers that counted, and when it was refused)
-- ARGV[1] message, [2] its tenant, [3] lease of a probe, [4] head start, [5] recheck after (ms)
-- Returns {state, wait in ms, suspect, quiet, next probe in Unix ms, Sinch's code};
-- state 0 open, 1 probe, 2 closed
local OPEN, PROBE, CLOSED = 0, 1, 2
local id, tenant = ARGV[1], ARGV[2]
local lease, headstart, recheck = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local suspect = redis.call('HEXISTS', KEYS[2], id)
local pause = redis.call('HMGET', KEYS[1], 'until', 'probe', 'lease', 'code', 'tenant', 'others')
if not pause[1] then
	local quiet = 0
	if redis.call('EXISTS', KEYS[2]) == 0 then quiet = 1 end
	return {OPEN, 0, suspect, quiet, 0, ''}
end

local begins, code = tonumber(pause[1]), pause[4] or ''
local reopens = begins
-- A suspect comes after the others, so that each probe is another message. A
-- message of the tenant that caused the pause comes after those of others.
if suspect == 1 then
	reopens = reopens + headstart
elseif pause[5] == tenant then
	if pause[6] then reopens = reopens + math.floor(headstart / 2) end
elseif not pause[6] then
	redis.call('HSET', KEYS[1], 'others', 1)
end
local probe, lease_ends = pause[2], tonumber(pause[3] or 0)

if probe == id and now < lease_ends then
	return {PROBE, 0, suspect, 0, 0, code}
end
if now < reopens then
	return {CLOSED, reopens - now, suspect, 0, math.max(begins, now), code}
end
if probe and now < lease_ends then
	return {CLOSED, math.min(lease_ends - now, recheck), suspect, 0, 0, code}
end
redis.call('HSET', KEYS[1], 'probe', id, 'lease', now + lease)
return {PROBE, 0, suspect, 0, 0, code}
