-- Opens a batch, or finds the one that has its key.
-- KEYS: 1 batch · 2 the scope's batches · 3 secret
-- ARGV: 1 id · 2 tenant · 3 test · 4 reference · 5 digest · 6 created (Unix ms) · 7 kept while empty, in ms · 8 secret
local secret = redis.call('GET', KEYS[3])
if not secret then
  redis.call('SET', KEYS[3], ARGV[8])
elseif secret ~= ARGV[8] then
  return {'secret', secret}
end

local answer = {'known'}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'tenant', ARGV[2], 'test', ARGV[3], 'ref', ARGV[4], 'digest', ARGV[5],
    'created', ARGV[6], 'total', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
  redis.call('ZADD', KEYS[2], ARGV[6], ARGV[1])
  answer[1] = 'new'
end
for _, field in ipairs(redis.call('HGETALL', KEYS[1])) do
  answer[#answer + 1] = field
end
return answer
