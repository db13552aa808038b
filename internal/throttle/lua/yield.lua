-- Removes the marker of a high waiter if it is still ours.
-- KEYS[1] the marker, ARGV[1] our id
if redis.call('GET', KEYS[1]) == ARGV[1] then
	return redis.call('DEL', KEYS[1])
end
return 0
