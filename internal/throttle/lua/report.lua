-- Records the outcome of a message that was let in. Running it twice is the same
-- as running it once, except that a message found to be alone becomes a suspect
-- again: it takes another round to fail it.
-- KEYS[1] the pause, [2] the suspects (see acquire.lua)
-- KEYS[3] the evidence (hash): passed, refused = when a message last was; alarm = until when a false alarm counts;
--         tenant:<name> = until when the tenant is blamed; streak = its refusals since the last pass
-- KEYS[4] the pauses of all accounts (hash: account -> since, until, Sinch's code)
-- ARGV[1] message, [2] its tenant, [3] 'passed', 'account' or 'released', [4] Sinch's code of an account answer
-- ARGV[5] account, [6] pause, [7] head start, [8] TTL of suspects (ms), [9] account answers that fail a message
-- ARGV[10] refusals in a row of a blamed tenant that close the gate all the same
-- Returns {1 when the trouble is this message alone, wait in ms, 1 when a pause began or -1 when it ended}
local id, tenant, outcome, code, account = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local length, headstart, ttl = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local limit, streak_limit = tonumber(ARGV[9]), tonumber(ARGV[10])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local pause = redis.call('HMGET', KEYS[1], 'until', 'culprit', 'probe', 'since', 'tenant', 'others')
local reopens, culprit = tonumber(pause[1]), pause[2]
local is_probe = pause[3] == id
local blamed = false
local since, refused_tenant, others = pause[4] or now, pause[5], pause[6]

-- suspect returns the answers to a message that counted, and when it was refused.
local function suspect(message)
	local value = redis.call('HGET', KEYS[2], message)
	if not value then return nil, 0 end
	local counted, at = string.match(value, '^(%d+) (%d+)$')
	return tonumber(counted), tonumber(at)
end

local function suspect_is(message, counted, at)
	redis.call('HSET', KEYS[2], message, string.format('%d %.0f', counted, at))
	redis.call('PEXPIRE', KEYS[2], ttl)
end

local function evidence(name) return tonumber(redis.call('HGET', KEYS[3], name) or 0) end

local function evidence_is(name, value)
	redis.call('HSET', KEYS[3], name, value)
	redis.call('PEXPIRE', KEYS[3], ttl)
end

local function free_the_probe()
	if is_probe then redis.call('HDEL', KEYS[1], 'probe', 'lease') end
end

-- close begins a pause, or another round of it. After a false alarm the next
-- message probes at once, and only if it is refused too does the pause follow.
local function close(culprit_now, tenant_now)
	local began, pauses = 1, length
	if reopens then began = 0 end
	if not reopens and not blamed and evidence('alarm') > now then pauses = 0 end
	redis.call('DEL', KEYS[1])
	-- One more, since now is cut to whole milliseconds: never less than a pause.
	redis.call('HSET', KEYS[1], 'until', now + pauses + 1, 'culprit', culprit_now, 'since', since, 'code', code, 'tenant', tenant_now)
	if others then redis.call('HSET', KEYS[1], 'others', 1) end
	redis.call('PEXPIRE', KEYS[1], ttl)
	redis.call('HSET', KEYS[4], account, string.format('%.0f %.0f %s', since, now + pauses + 1, code))
	redis.call('PEXPIRE', KEYS[4], ttl)
	return {0, pauses + headstart, began}
end

if outcome == 'released' then
	free_the_probe()
	return {0, 0, 0}
end

if outcome == 'passed' then
	redis.call('HDEL', KEYS[2], id)
	evidence_is('passed', now)
	redis.call('HDEL', KEYS[3], 'streak')
	if not is_probe then return {0, 0, 0} end
	-- Another message passed after the only one that had been refused.
	if culprit and culprit ~= '' and culprit ~= id then
		local counted, at = suspect(culprit)
		if counted then
			suspect_is(culprit, counted + 1, at)
			evidence_is('alarm', now + ttl)
		end
	end
	-- A message of another tenant passed after only one tenant's were refused.
	if refused_tenant and refused_tenant ~= '' and refused_tenant ~= tenant then
		evidence_is('tenant:' .. refused_tenant, now + ttl)
	end
	redis.call('DEL', KEYS[1])
	redis.call('HDEL', KEYS[4], account)
	return {0, 0, -1}
end

local counted, at = suspect(id)
blamed = not is_probe and evidence('tenant:' .. tenant) > now
if blamed and counted and evidence('passed') > at and evidence('refused') <= at then
	counted = counted + 1
end
if (counted or 0) >= limit - 1 then
	free_the_probe()
	redis.call('HDEL', KEYS[2], id)
	return {1, 0, 0}
end
suspect_is(id, counted or 0, now)
if blamed then
	evidence_is('tenant:' .. tenant, now + ttl)
	-- The account works for the others: only this message waits, unless nothing has
	-- passed for long.
	if redis.call('HINCRBY', KEYS[3], 'streak', 1) <= streak_limit then
		return {0, length + headstart, 0}
	end
end
evidence_is('refused', now)

if not reopens then
	return close(id, tenant)
end
-- A second message is refused before one passes: the account is the cause.
if culprit ~= id then culprit = '' end
if refused_tenant ~= tenant then refused_tenant = '' end
if is_probe then
	return close(culprit, refused_tenant)
end
-- The request was under way when the pause began, which it does not extend.
redis.call('HSET', KEYS[1], 'culprit', culprit, 'tenant', refused_tenant)
return {0, math.max(reopens - now, 0) + headstart, 0}
