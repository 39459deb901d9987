-- Renews a lease and appends frames to its log. Token and log are one list, evicted together.
--
-- KEYS  1 entry   2 lease   3 followers (sorted set by milliseconds)
-- ARGV  1 token   2 milliseconds of the lease   3 milliseconds that a call counts as following
--       4.. frames
-- Returns the number of followers, or -1 if the lease is lost.

local PUSHED_AT_ONCE = 1000

if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[1] then return -1 end
for first = 4, #ARGV, PUSHED_AT_ONCE do
  local last = math.min(first + PUSHED_AT_ONCE - 1, #ARGV)
  redis.call('RPUSH', KEYS[2], unpack(ARGV, first, last))
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZCOUNT', KEYS[3], now - ARGV[3], '+inf')
