#!lua flags=allow-oom
-- Makes the key that hashes numbers, unless there is one.
-- KEYS: 1 number key
-- ARGV: 1 field of the encrypted key · 2 encrypted key · 3 generation · 4 generation that is replaced if nothing was recorded under it
--       ('' = none)
-- Answers all fields.
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation or generation == ARGV[4] and redis.call('HEXISTS', KEYS[1], 'used') == 0 then
  local time = redis.call('TIME')
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], 'generation', ARGV[3],
    'created', string.format('%d', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)))
end
return redis.call('HGETALL', KEYS[1])
