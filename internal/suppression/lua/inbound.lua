#!lua flags=allow-oom
-- Records a keyword of the phone, unless a later one is known: they may come out of order. Sinch's times have whole seconds, so a
-- keyword of the same time gets a slightly later time than the known one: a STOP must not be mistaken for one that was deleted before.
-- KEYS: 1 number's record · 2 list of STOPs · 3 number key · 4 outbox of events
-- ARGV: 1 field · 2 time (Unix ms) · 3 meaning · 4 word · 5 member of the list · 6 how long a record is kept in which nothing counts, in ms ·
--       7 generation of the number key ('' = none) · 8 encrypted number · for each scope that has events: its own field for the sender, its field that lifts STOPs, element of the outbox
-- Answers 1 when it is the last word, and -1 when numbers are hashed by another key.
if not encrypt(KEYS[1], KEYS[3], ARGV[7], ARGV[8]) then return -1 end
local at = tonumber(ARGV[2])
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  local before = tonumber(string.match(known, '^%d+'))
  if before - before % 1000 > at then
    return 0
  end
  at = math.max(at, before + 1)
end
local stopped = known and tonumber(string.match(known, '^(%d+) stop '))
local started = known and string.find(known, '^%d+ start ')
for a = 9, #ARGV, 3 do
  local own, lifted = redis.call('HGET', KEYS[1], ARGV[a]), tonumber(redis.call('HGET', KEYS[1], ARGV[a + 1]) or 0)
  local counts = stopped and stopped > lifted
  local blocked = own and string.find(own, '^%d+ sinch ') and not started
  if ARGV[3] == 'stop' and not counts or ARGV[3] ~= 'stop' and (counts or blocked) then
    redis.call('RPUSH', KEYS[4], ARGV[a + 2])
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', at) .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
if ARGV[3] == 'stop' then
  redis.call('ZADD', KEYS[2], at, ARGV[5])
else
  redis.call('ZREM', KEYS[2], ARGV[5])
end
expire(KEYS[1], ARGV[6])
return 1
