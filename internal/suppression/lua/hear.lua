-- Writes a word of the phone down, unless a later one is known: they may come out of order.
-- KEYS: 1 number's record · 2 list of STOPs
-- ARGV: 1 field · 2 time (Unix ms) · 3 meaning · 4 word · 5 member of the list
-- Answers 1 when it is the last word.
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and tonumber(string.match(known, '^%d+')) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
if ARGV[3] == 'stop' then
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[5])
else
  redis.call('ZREM', KEYS[2], ARGV[5])
end
return 1
