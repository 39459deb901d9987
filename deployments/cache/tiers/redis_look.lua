-- The entry; else a lease for the caller, if no replica holds one.
--
-- KEYS  1 entry   2 lease (list: its token, then its frames)   3 followers
-- ARGV  1 milliseconds of the lease (0: acquire none)
-- Returns the entry, or {1, token} acquired, or {0, token} held elsewhere, or nothing.
--
-- A token is the server's time in microseconds: it rises through flushes, restarts and evictions,
-- which a counter that Redis may evict would not. A full Redis still gives leases: it checks its
-- memory only at a script's first write, and that deletes.

local entry = redis.call('GET', KEYS[1])
if entry then return entry end
local holder = redis.call('LINDEX', KEYS[2], 0)
if holder then return {0, tonumber(holder)} end
if ARGV[1] == '0' then return false end
local time = redis.call('TIME')
local token = string.format('%d%06d', time[1], time[2])
redis.call('DEL', KEYS[3])
redis.call('RPUSH', KEYS[2], token)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return {1, tonumber(token)}
