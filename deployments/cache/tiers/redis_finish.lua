-- Ends a lease, with an entry or without.
--
-- KEYS  1 entry   2 lease   3 followers
-- ARGV  1 token   [2 entry   3 its lifetime in milliseconds]
-- Returns 1, or 0 if the lease was lost; then nothing is changed. An entry that Redis has no memory
-- for is an error, and ends the lease too.

if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[1] then return 0 end
local put = {}
if ARGV[2] then put = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2], KEYS[3])
if put.err then return put end
return 1
