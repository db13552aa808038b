-- expire lets the record of a number expire in which nothing counts any more: the words in it are kept for a while, since older ones
-- may still come. A record in which something counts is kept.
local function expire(record, ttl)
  local fields = redis.call('HGETALL', record)
  for i = 1, #fields, 2 do
    local stop = string.find(fields[i], '^word ') and string.find(fields[i + 1], '^%d+ stop ')
    if stop or string.find(fields[i], '^own ') then
      redis.call('PERSIST', record)
      return
    end
  end
  redis.call('PEXPIRE', record, ttl)
end
-- encrypt notes that an opt-out is recorded under the hash of its number, and keeps the number beside it. It is false when numbers are
-- hashed by another key by now.
local function encrypt(record, key, generation, number)
  if generation == '' then return true end
  if redis.call('HGET', key, 'generation') ~= generation then return false end
  redis.call('HSET', key, 'used', 1)
  redis.call('HSET', record, 'number', number)
  return true
end
