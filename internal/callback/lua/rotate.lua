#!lua flags=allow-oom
-- Sets a new secret and keeps the earlier ones that still sign.
-- KEYS: 1 configuration · ARGV: 1 secret · 2 now · 3 until when the earlier one signs (Unix ms)
local known = redis.call('HMGET', KEYS[1], 'secret', 'previous')
local kept = {}
if known[1] then kept[1] = known[1] .. ' ' .. ARGV[3] end
for secret, ends in string.gmatch(known[2] or '', '([^, ]+) (%d+)') do
  if tonumber(ends) > tonumber(ARGV[2]) then kept[#kept + 1] = secret .. ' ' .. ends end
end
redis.call('HSET', KEYS[1], 'secret', ARGV[1], 'secretSetAt', ARGV[2], 'previous', table.concat(kept, ','))
return 1
