#!lua flags=no-writes
-- Reads the values of keys in their order, at least one, until the answer has its largest size.
-- KEYS: any number. The name of ARGV is that of positions.go.
-- Answers Redis' time in ms, then each value that was read; false for a key that does not exist or holds no string.
local time = redis.call('TIME')
local answer, room = { tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) }, tonumber(ARGV[MOST_BYTES])
for i, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then
    if not string.find(value.err, 'WRONGTYPE', 1, true) then return value end
    value = false
  end
  room = room - (value and #value or 0)
  if room < 0 and i > 1 then break end
  answer[#answer + 1] = value
end
return answer
