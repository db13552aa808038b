#!lua flags=no-writes
-- Reads records in their order until the answer is as large as it may be; at least one.
-- KEYS: a record each · ARGV: 1 most bytes of the answer
-- Answers Redis' time in ms, then each record that was read; false: there is none.
local time = redis.call('TIME')
local answer, room = { tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) }, tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  local record = redis.call('GET', key)
  room = room - (record and #record or 0)
  if room < 0 and i > 1 then break end
  answer[#answer + 1] = record
end
return answer
