-- The answer; else a claim for the asker, if nobody holds one.
--
-- KEYS  1 answer   2 flight (list: its token, then its frames)   3 followers
-- ARGV  1 milliseconds a claim is good for (0: claim nothing)
-- Returns the answer, or {1, token} claimed, or {0, token} busy, or nothing.
--
-- A token is the server's time in microseconds: it rises through flushes, restarts and evictions,
-- which a counter that Redis may forget would not. A full Redis still gives claims: it minds its
-- memory only at a script's first write, and that deletes.

local answer = redis.call('GET', KEYS[1])
if answer then return answer end
local holder = redis.call('LINDEX', KEYS[2], 0)
if holder then return {0, tonumber(holder)} end
if ARGV[1] == '0' then return false end
local time = redis.call('TIME')
local token = string.format('%d%06d', time[1], time[2])
redis.call('DEL', KEYS[3])
redis.call('RPUSH', KEYS[2], token)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return {1, tonumber(token)}
