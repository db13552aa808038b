#!lua flags=allow-oom
-- Renames the record of a plain number to its hash, and its lines in the lists. Of a field that both records have, the later one stays.
-- KEYS: 1 record of the plain number · 2 record of the hash
-- ARGV: 1 number · 2 hash · 3 encrypted number · 4 what the lists of scopes begin with · 5 list of STOPs
local function rename(list, sender)
  local at = redis.call('ZSCORE', list, ARGV[1] .. ' ' .. sender)
  if at then
    redis.call('ZREM', list, ARGV[1] .. ' ' .. sender)
    redis.call('ZADD', list, at, ARGV[2] .. ' ' .. sender)
  end
end
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then return 0 end
for i = 1, #fields, 2 do
  local name, value = fields[i], fields[i + 1]
  local known = redis.call('HGET', KEYS[2], name)
  if not known or tonumber(string.match(known, '^%d+') or 0) < tonumber(string.match(value, '^%d+') or 0) then
    redis.call('HSET', KEYS[2], name, value)
  end
  local scope, sender = string.match(name, '^own (%S+) (%S+)$')
  if scope then rename(ARGV[4] .. scope, sender) end
  sender = string.match(name, '^word (%S+)$')
  if sender then rename(ARGV[5], sender) end
end
local ttl = redis.call('PTTL', KEYS[1])
if ttl > 0 then redis.call('PEXPIRE', KEYS[2], ttl) else redis.call('PERSIST', KEYS[2]) end
redis.call('HSET', KEYS[2], 'number', ARGV[3])
redis.call('DEL', KEYS[1])
return 1
