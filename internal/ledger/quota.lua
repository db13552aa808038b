-- The quota of a key is a hash: the UTC day, the messages that were accepted in it ('n'), and those that batches have reserved
-- ('hold:<batch>': how many, and until when).

-- readQuota answers the quota of today.
local function readQuota(key, now)
  local quota = { day = math.floor(now / 86400000), n = 0, holds = {}, held = 0, expired = {} }
  local fields, values = redis.call('HGETALL', key), {}
  for i = 1, #fields, 2 do values[fields[i]] = fields[i + 1] end
  quota.fresh = tonumber(values.day) ~= quota.day
  if quota.fresh then return quota end
  quota.n = tonumber(values.n or 0)
  for field, value in pairs(values) do
    local n, ends = string.match(value, '^(%d+) (%d+)$')
    if n and tonumber(ends) <= now then
      quota.expired[#quota.expired + 1] = field
    elseif n then
      quota.holds[field] = { n = tonumber(n), ends = ends }
      quota.held = quota.held + tonumber(n)
    end
  end
  return quota
end

-- writeQuota writes what was accepted, and one hold; nil: it is over.
local function writeQuota(key, quota, field, hold)
  if quota.fresh then redis.call('DEL', key) end
  redis.call('HSET', key, 'day', quota.day, 'n', quota.n)
  if #quota.expired > 0 then redis.call('HDEL', key, unpack(quota.expired)) end
  if hold and hold.n > 0 then
    redis.call('HSET', key, field, string.format('%d %.0f', hold.n, hold.ends))
  elseif field then
    redis.call('HDEL', key, field)
  end
  redis.call('PEXPIRE', key, 2 * 86400000)
end

