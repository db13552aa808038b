#!lua flags=allow-oom
-- Records an opt-out of a tenant. One of a caller keeps its time, and is not replaced by one of Sinch.
-- KEYS: 1 number's record · 2 list of the scope · 3 number key · 4 outbox of events
-- ARGV: 1 field · 2 time (Unix ms) · 3 source · 4 reason · 5 member of the list · 6 generation of the number key ('' = none) ·
--       7 encrypted number · 8 element of the outbox for an opt-out that is new ('' = none)
-- Answers {is it new, its value}; nothing when numbers are hashed by another key.
if not encrypt(KEYS[1], KEYS[3], ARGV[6], ARGV[7]) then return {} end
local known = redis.call('HGET', KEYS[1], ARGV[1])
local at = ARGV[2]
if known then
  local since, source = string.match(known, '^(%d+) (%a+) ')
  if source == 'api' and ARGV[3] ~= 'api' then
    return {0, known}
  end
  if ARGV[3] == 'api' then
    at = since
  end
end
local value = at .. ' ' .. ARGV[3] .. ' ' .. ARGV[4]
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('PERSIST', KEYS[1])
redis.call('ZADD', KEYS[2], at, ARGV[5])
if not known and ARGV[8] ~= '' then redis.call('RPUSH', KEYS[4], ARGV[8]) end
return {known and 0 or 1, value}
