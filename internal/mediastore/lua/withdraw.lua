-- Ends the link of a media and its identity with its content. Messages that wait still have it.
-- KEYS: 1 record
-- ARGV: 1 id · 2 scope · 3 prefix of contents
-- Answers 1 when there was such a media.
local found = redis.call('HMGET', KEYS[1], 'scope', 'content', 'link')
if found[1] ~= ARGV[2] or not found[3] then
  return 0
end
redis.call('HDEL', KEYS[1], 'link')
local content = ARGV[3] .. found[2]
if redis.call('GET', content) == ARGV[1] then
  redis.call('DEL', content)
end
return 1
