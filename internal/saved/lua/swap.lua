-- Replaces the record of a template, unless it has changed since it was read.
-- KEYS: 1 template
-- ARGV: 1 the record as read, empty for none · 2 the new record · 3 its TTL (ms)
-- Returns 1 when it was replaced.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
