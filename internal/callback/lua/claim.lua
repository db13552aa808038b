#!lua flags=allow-oom
-- Leases deliveries of an endpoint that are due. One that is not finished in time is due again.
-- KEYS: 1 endpoints · 2 list of the endpoint
-- ARGV: 1 endpoint · 2 most deliveries; 0 = none, the endpoint waits · 3 time of the lease, or of the wait, in ms
--   4 what the keys of deliveries begin with
-- Answers for each its id and the fields of its record, in one list.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if ARGV[2] == '0' then
  redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[3]), ARGV[1])
  return {}
end
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])
local answers = {}
for i, id in ipairs(ids) do
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), id)
  answers[i] = redis.call('HGETALL', ARGV[4] .. id)
  table.insert(answers[i], 1, id)
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[2] then
  redis.call('ZADD', KEYS[1], first[2], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return answers
