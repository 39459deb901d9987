-- Renews a claim and adds frames to its log. Token and log are one list, evicted as one.
--
-- KEYS  1 answer   2 flight   3 followers (sorted set by milliseconds)
-- ARGV  1 token   2 milliseconds the claim is good for   3 milliseconds asking counts as following
--       4.. frames
-- Returns how many follow, or -1 when the claim is lost.

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
