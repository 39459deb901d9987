-- Ends a claim, with an answer or without.
--
-- KEYS  1 answer   2 flight   3 followers
-- ARGV  1 token   [2 answer   3 milliseconds it is kept]
-- Returns 1, or 0 when the claim was lost; then nothing is changed. An answer that Redis has no
-- memory for is an error, and ends the claim too.

if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[1] then return 0 end
local put = {}
if ARGV[2] then put = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2], KEYS[3])
if put.err then return put end
return 1
