-- Opens a batch, or finds the one that has its key.
-- The names of KEYS and ARGV are those of positions.go.
-- Answers 'new' or 'known', then the fields of the batch; or 'secret' and the current secret when it is another one.
local secret = redis.call('GET', KEYS[SECRET])
if not secret then
  redis.call('SET', KEYS[SECRET], ARGV[SECRET_VALUE])
elseif secret ~= ARGV[SECRET_VALUE] then
  return {'secret', secret}
end

local answer = {'known'}
if redis.call('EXISTS', KEYS[BATCH]) == 0 then
  redis.call('HSET', KEYS[BATCH], 'id', ARGV[ID], 'tenant', ARGV[TENANT], 'test', ARGV[TEST], 'ref', ARGV[REFERENCE],
    'digest', ARGV[DIGEST], 'created', ARGV[CREATED], 'total', 0)
  if ARGV[PACE] ~= '0' then redis.call('HSET', KEYS[BATCH], 'pace', ARGV[PACE]) end
  redis.call('PEXPIRE', KEYS[BATCH], ARGV[EMPTY_TTL])
  redis.call('ZADD', KEYS[BATCHES], ARGV[CREATED], ARGV[ID])
  redis.call('ZREMRANGEBYRANK', KEYS[BATCHES], 0, -ARGV[LISTED] - 1)
  -- A batch is kept for the same time after its last message is final, and that can be scheduled for a month ahead.
  redis.call('PEXPIRE', KEYS[BATCHES], 2 * ARGV[EMPTY_TTL] + 31 * 24 * 3600 * 1000)
  answer[1] = 'new'
end
for _, field in ipairs(redis.call('HGETALL', KEYS[BATCH])) do
  answer[#answer + 1] = field
end
return answer
