-- Takes tokens of the account's pace (GCRA), unless calls back off or give way to a high waiter of another process, and
-- beside them tokens of senders and of batches that have limits of their own. A message whose sender has no token reserves
-- the next one: it comes back when that is due, and waits in no queue of the process meanwhile. A message whose batch has no
-- token reserves none, so that no two messages of a batch ever begin closer to each other than its pace allows.
-- KEYS[1] the pace (µs: when all taken tokens are refilled), [2] marker of a high waiter
-- KEYS[3] slowness (its remaining life is the level), [4] backoff after "too fast"
-- KEYS[5] the pace that an operator set (hash: perSecond), in place of ARGV[2] and [3]
-- then for each sender or batch: its pace (µs, as KEYS[1]), its reservations (sorted set: message by time in µs), those that
-- free.lua has taken from canceled messages (alike), its messages of the day
-- ARGV[1] n, [2] µs a token at full pace (0: there is no pace), [3] burst
-- ARGV[4] 1: there is a high waiter, [5] our id, [6] TTL of the marker, [7] ms a level, [8] highest level
-- ARGV[9] the part of a second's worth that may begin at once, [10] how many senders and batches
-- then for each of them: µs a token (0: no pace), burst, messages a day (0: no limit)
-- then for each run of waiters: how many (they have no limits of their own), or 0 · sender, 0 = none · batch, 0 = none ·
-- message, '' = reserves none · 1: it counts for the day · µs for which it waits in the process for a token of its batch
-- Returns {tokens, µs until the next, 1 when another process has a high waiter, µs a token at full pace}, then for each run
-- the tokens it got, or of a message with limits GRANTED, WAITS, or RESERVED, DAILY or PACED and the µs until its token
local WAITS, GRANTED, RESERVED, DAILY, PACED = 0, 1, 2, 3, 4
local LOST = 5000000 -- µs after which an unused reservation is lost: longer than a task is late
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
local senders = tonumber(ARGV[10])
if interval == 0 and senders == 0 then return {n, 0, 0, 0} end
if interval > 0 and ARGV[4] ~= '1' and redis.call('EXISTS', KEYS[2]) == 1 then return {0, 0, 1, full} end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function text(us) return string.format('%.0f', us) end

-- The tokens of the account.
local stored, tat, room = 0, now, n
if interval > 0 then
	local level = math.min(math.max(redis.call('PTTL', KEYS[3]) / tonumber(ARGV[7]), 0), tonumber(ARGV[8]))
	interval = math.ceil(interval * 2 ^ level)
	-- Beyond an empty bucket the value comes from a clock that has gone backwards,
	-- or from a slower pace: it never keeps calls back for longer than one token.
	stored = tonumber(redis.call('GET', KEYS[1]) or 0)
	tat = math.min(math.max(stored, now), now + burst * interval)
	room = math.floor((now + burst * interval - tat) / interval)
end

local limits = {} -- of the senders and batches
local function limit(i)
	if i == 0 then return nil end
	if limits[i] then return limits[i] end
	local k, a = 5 + (i - 1) * 4, 10 + (i - 1) * 3
	local l = { pace = KEYS[k + 1], reserved = KEYS[k + 2], freed = KEYS[k + 3], day = KEYS[k + 4],
		interval = tonumber(ARGV[a + 1]), burst = tonumber(ARGV[a + 2]), daily = tonumber(ARGV[a + 3]) }
	l.tat = math.max(tonumber(redis.call('GET', l.pace) or 0), now)
	-- As above, where no message has reserved a token.
	local most = now + l.burst * l.interval
	if l.tat > most and redis.call('EXISTS', l.reserved) == 0 then
		l.tat = most
		redis.call('DEL', l.freed)
	end
	limits[i] = l
	return l
end

local function advance(l)
	l.tat = l.tat + l.interval
	redis.call('SET', l.pace, text(l.tat), 'PX', math.ceil((l.tat - now) / 1000) + 1000)
end

-- reserve returns when the token that a message gets is due: the first one that a canceled message has left, or the next.
local function reserve(l, message)
	redis.call('ZREMRANGEBYSCORE', l.freed, '-inf', '(' .. text(now))
	local first = redis.call('ZRANGE', l.freed, 0, 0, 'WITHSCORES')
	local due = tonumber(first[2] or '')
	if due then
		redis.call('ZREM', l.freed, first[1])
	else
		due = l.tat + l.interval - l.burst * l.interval
		advance(l)
	end
	redis.call('ZREMRANGEBYSCORE', l.reserved, '-inf', text(now - 3600 * 1000000))
	redis.call('ZADD', l.reserved, text(due), message)
	redis.call('PEXPIRE', l.reserved, math.ceil((l.tat - now) / 1000) + 3600000)
	return due
end

-- reservation is when the token of a message is due. A message that comes long after that, since it was paused, has lost it: else
-- all tokens that were reserved before a pause would go at once after it.
local function reservation(l, message)
	local due = tonumber(message ~= '' and redis.call('ZSCORE', l.reserved, message) or '')
	if due and due < now - LOST then
		redis.call('ZREM', l.reserved, message)
		return nil
	end
	return due
end

-- takeOf decides on a message of a sender with limits.
local function takeOf(l, message, counts)
	local due = reservation(l, message)
	if due and due > now then return RESERVED, due - now end
	if counts and l.daily > 0 and (tonumber(redis.call('GET', l.day) or 0)) >= l.daily then
		if due then redis.call('ZREM', l.reserved, message) end
		return DAILY, 0
	end
	local free = l.interval == 0 or due or l.tat + l.interval <= now + l.burst * l.interval
	if not free and message ~= '' then
		return RESERVED, reserve(l, message) - now
	end
	if not free or room < 1 then return WAITS, 0 end
	if due then
		redis.call('ZREM', l.reserved, message)
	elseif l.interval > 0 then
		advance(l)
	end
	if counts and l.daily > 0 then
		redis.call('INCR', l.day)
		redis.call('PEXPIRE', l.day, 2 * 86400000)
	end
	return GRANTED, 0
end

-- takeBoth decides on a message of a batch with a pace, whose sender may have limits, too.
local function takeBoth(sender, batch, message, counts, patience)
	if not batch then return takeOf(sender, message, counts) end
	local wait = batch.tat + batch.interval - batch.burst * batch.interval - now
	if wait > patience then return PACED, wait end
	if wait > 0 then return WAITS, 0 end
	local verdict, later = GRANTED, 0
	if sender then
		verdict, later = takeOf(sender, message, counts)
	elseif room < 1 then
		verdict = WAITS
	end
	if verdict == GRANTED then advance(batch) end
	return verdict, later
end

local granted, answers = 0, {}
local function give(tokens) granted, room = granted + tokens, room - tokens end
if senders == 0 then
	give(math.min(n, room))
else
	for a = 11 + senders * 3, #ARGV, 6 do
		local count = tonumber(ARGV[a])
		if count > 0 then
			local tokens = math.min(count, room)
			give(tokens)
			answers[#answers + 1] = tokens
			answers[#answers + 1] = 0
		else
			local verdict, wait = takeBoth(limit(tonumber(ARGV[a + 1])), limit(tonumber(ARGV[a + 2])), ARGV[a + 3], ARGV[a + 4] == '1',
				tonumber(ARGV[a + 5]))
			if verdict == GRANTED then give(1) end
			answers[#answers + 1] = verdict
			answers[#answers + 1] = wait
		end
	end
end

if interval == 0 then return {granted, 0, 0, 0, unpack(answers)} end
tat = tat + granted * interval
if granted > 0 or tat < stored then
	redis.call('SET', KEYS[1], text(tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
end
if granted == n then return {granted, 0, 0, full, unpack(answers)} end
return {granted, math.max(0, tat + interval - (now + burst * interval)), 0, full, unpack(answers)}
