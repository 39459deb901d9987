-- The state of a computation, and its frames from a number on. A call counts as following.
--
-- KEYS  1 entry   2 lease   3 followers (sorted set by milliseconds)
-- ARGV  1 token   2 frames seen   3 follower id   4 milliseconds that a call counts as following
-- Returns {'running', frame...}, or {'stored', entry}, or {'gone'}.

if redis.call('LINDEX', KEYS[2], 0) == ARGV[1] then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[4])
  local frames = redis.call('LRANGE', KEYS[2], ARGV[2] + 1, -1)
  table.insert(frames, 1, 'running')
  return frames
end
local entry = redis.call('GET', KEYS[1])
if entry then return {'stored', entry} end
return {'gone'}
