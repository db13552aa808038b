-- Usage is a hash for each scope and UTC day. The list of these hashes has each by the time at which a count of it was first raised,
-- for 31 days.

-- countUsage raises a count of a day. The first of its kind lists the day: others find it listed.
local function countUsage(list, key, event, n, now, kept)
  if redis.call('HINCRBY', key, event, n) == n then
    redis.call('PEXPIRE', key, kept)
    redis.call('ZREMRANGEBYSCORE', list, '-inf', now - 31 * 86400000)
    redis.call('ZADD', list, now, key)
  end
end
