-- bucket_arithmetic.py inside Redis: one tenant's part of an exchange, atomic, by the server's own
-- clock. Without buckets it only renews the replica's session.
--
-- KEYS  1 epoch of the shard (hash: id, born)   2 replicas of the shard (sorted set by last exchange)
--       3 when their sessions began (hash)   4.. one bucket each (MessagePack)
-- ARGV  1 replica  2 its epoch  3 lease seconds  4 an epoch to use if there is none
--       then 12 for each bucket: kind capacity rate until spent number acked holding adjust need
--       waiting want
-- Returns epoch, replicas, whether the session goes on, then for each bucket: credits, level,
-- retry-after seconds, known, elsewhere, learning seconds.

local SESSION, GRACE_S, IDLE_S, LEASED, DUST, SEEN_FOR = 3, 60, 900, 0.5, 1e-6, 8
local EPOCH_LIFE_S = 31 * 86400
local NEVER = -math.huge

local replica, epoch, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6

local function meet()
  local id = redis.call('HGET', KEYS[1], 'id')
  local born = redis.call('HGET', KEYS[1], 'born')
  if not id then
    id, born = ARGV[4], epoch ~= '' and now
    redis.call('HSET', KEYS[1], 'id', id)
  elseif epoch ~= '' and epoch ~= id and not born then
    born = now
  else
    born = born and tonumber(born)
  end
  if born then redis.call('HSET', KEYS[1], 'born', string.format('%.17g', born)) end
  redis.call('PEXPIRE', KEYS[1], EPOCH_LIFE_S * 1000)
  return id, born or NEVER
end

local sessions = {}

local function renew()
  local seen = redis.call('ZSCORE', KEYS[2], replica)
  local start = redis.call('HGET', KEYS[3], replica)
  local continued = seen and start and now < tonumber(seen) + SESSION * ttl
  if not continued then
    start = string.format('%.17g', now)
    redis.call('HSET', KEYS[3], replica, start)
  end
  redis.call('ZADD', KEYS[2], string.format('%.17g', now), replica)
  local active, oldest = now - SEEN_FOR * ttl, string.format('(%.17g', now - SEEN_FOR * ttl - GRACE_S)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', oldest)
  for _, name in ipairs(gone) do redis.call('HDEL', KEYS[3], name) end
  if #gone > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', oldest) end
  local kept_ms = math.ceil((SEEN_FOR * ttl + GRACE_S) * 1000)
  redis.call('PEXPIRE', KEYS[2], kept_ms)
  redis.call('PEXPIRE', KEYS[3], kept_ms)
  sessions[replica] = {start = tonumber(start), seen = now}
  return continued, redis.call('ZCOUNT', KEYS[2], string.format('%.17g', active), '+inf')
end

local id, born = meet()
local continued, replicas = renew()
local current = epoch == '' or epoch == id

local function session_of(name)
  local session = sessions[name]
  if session == nil then
    local seen, start = redis.call('ZSCORE', KEYS[2], name), redis.call('HGET', KEYS[3], name)
    session = seen and start and {start = tonumber(start), seen = tonumber(seen)} or false
    sessions[name] = session
  end
  return session
end

local function lease_ends(name, lease)
  local session = session_of(name)
  if not session or session.start ~= lease.session then return nil end
  return session.seen + SESSION * ttl
end

local function learning_of(bucket)
  return math.max(0, bucket.born + SESSION * ttl - now)
end

local function outstanding(bucket)
  local sum = 0
  for _, lease in pairs(bucket.leases) do sum = sum + lease.held end
  return sum
end

local function room_of(bucket, ask)
  if ask.kind == 'slots' then return math.max(0, ask.capacity - outstanding(bucket)) end
  return math.max(0, math.floor(bucket.level + DUST))
end

local function opened(ask)
  local level = 0
  if ask.kind == 'rate' then
    level = math.min(ask.capacity, ask.rate * (now - born))
  end
  return {level = level, at = now, capacity = ask.capacity, born = born,
          known = ask.kind ~= 'budget', leases = {}}
end

local function forget(bucket, ask)
  if bucket.born >= born then return end
  bucket.born = born
  if ask.kind == 'rate' then
    bucket.level = math.min(bucket.level, ask.rate * (now - born))
  elseif ask.kind == 'budget' then
    bucket.level, bucket.known = -outstanding(bucket), false
  end
end

local function refill(bucket, ask, at)
  if ask.kind == 'rate' then
    local most = ask.capacity - outstanding(bucket)
    if learning_of(bucket) > 0 then
      most = math.min(most, math.floor(ask.capacity * (1 - LEASED)))
    end
    bucket.level = math.min(bucket.level + ask.rate * (at - bucket.at), most)
  end
  bucket.at = at
end

local function pass_time(bucket, ask)
  if ask.kind == 'budget' and bucket.known then
    bucket.level = bucket.level + ask.capacity - bucket.capacity
  end
  bucket.capacity = ask.capacity
  bucket.at = math.min(bucket.at, now)
  local over = {}
  for name, lease in pairs(bucket.leases) do
    local ends = lease_ends(name, lease) or now
    if ends <= now then over[#over + 1] = {ends = ends, name = name} end
  end
  table.sort(over, function(a, b) return a.ends < b.ends end)
  for _, each in ipairs(over) do
    refill(bucket, ask, math.max(bucket.at, each.ends))
    local lease = bucket.leases[each.name]
    if ask.kind ~= 'budget' then lease.held, lease.granted = 0, 0 end
    if each.ends + GRACE_S <= now or not session_of(each.name) then bucket.leases[each.name] = nil end
  end
  refill(bucket, ask, now)
end

local function report(bucket, lease, ask)
  local met = lease.number > 0
  if met and ask.acked < lease.number then
    lease.held = lease.held - lease.granted
    bucket.level = bucket.level + lease.granted - lease.adjusted
  end
  local holding = (current or ask.kind == 'slots') and ask.holding or 0
  local unknown = math.max(0, holding - lease.held)
  lease.held = holding
  if ask.kind == 'rate' and learning_of(bucket) > 0 then
    bucket.level = math.min(bucket.level, ask.capacity - outstanding(bucket))
  else
    bucket.level = bucket.level - unknown
  end

  local adjust = ask.adjust
  if adjust > 0 then
    local free = ask.capacity - outstanding(bucket) - bucket.level
    local trusted = current and (met or ask.acked == 0)
    adjust = trusted and math.min(adjust, math.max(0, free)) or 0
  end
  bucket.level = bucket.level + adjust
  lease.adjusted = adjust

  if not bucket.known and ask.spent >= 0 and learning_of(bucket) == 0 then
    bucket.level, bucket.known = bucket.level + ask.capacity - ask.spent, true
  end
end

local function allowance(lease, ask, room)
  local share = math.floor(ask.capacity * LEASED / (replicas + 1))
  if share < 2 then return 0 end
  if ask.kind == 'rate' then return share - lease.held end
  return math.min(share, math.floor(room / (4 * replicas)))
end

local function retry_of(bucket, ask)
  if ask.kind == 'rate' then return (ask.need - bucket.level) / ask.rate end
  if ask.kind == 'budget' and bucket.known then return math.max(1, ask['until'] - now) end
  return ttl
end

local function grant(bucket, lease, ask)
  local blocked, learning = 0, learning_of(bucket)
  if ask.kind ~= 'rate' then
    blocked = bucket.known and learning or math.max(0.001, learning)
  end
  local room = blocked > 0 and 0 or room_of(bucket, ask)
  local credits = 0
  if ask.need <= room then
    credits = math.min(room, math.max(ask.need, ask.waiting))
    local spare = math.min(room - credits, allowance(lease, ask, room))
    credits = credits + math.max(0, math.min(ask.want - credits, spare))
  end
  bucket.level = bucket.level - credits
  lease.number, lease.granted = ask.number, credits
  lease.held = lease.held + credits
  lease.session, lease.at = sessions[replica].start, now
  local retry = 0
  if ask.need > 0 and credits == 0 then
    retry = blocked > 0 and blocked or retry_of(bucket, ask)
  end
  return credits, math.max(0, room - credits), retry, outstanding(bucket) - lease.held, learning
end

local function keep(bucket, ask)
  if ask.kind == 'budget' or outstanding(bucket) > 0 then
    return IDLE_S
  elseif ask.kind == 'rate' then
    return (bucket.capacity - bucket.level) / ask.rate + ttl + GRACE_S
  end
  return SESSION * ttl + GRACE_S
end

local function settle(key, ask)
  local packed = redis.call('GET', key)
  local bucket = packed and cmsgpack.unpack(packed) or opened(ask)
  local lease = bucket.leases[replica]
  if lease and ask.number <= lease.number then return 0, room_of(bucket, ask), 0, true, 0, 0 end
  forget(bucket, ask)
  pass_time(bucket, ask)
  lease = bucket.leases[replica]
  if not lease then
    lease = {number = 0, held = 0, granted = 0, adjusted = 0, session = 0, at = now}
    bucket.leases[replica] = lease
  end
  report(bucket, lease, ask)
  local credits, level, retry, elsewhere, learning = grant(bucket, lease, ask)
  local px = math.ceil(keep(bucket, ask) * 1000)
  redis.call('SET', key, cmsgpack.pack(bucket), 'PX', string.format('%.0f', px))
  return credits, level, retry, bucket.known, elsewhere, learning
end

local FIELDS = {'capacity', 'rate', 'until', 'spent', 'number', 'acked', 'holding', 'adjust',
                'need', 'waiting', 'want'}
local answer = {id, replicas, continued and 1 or 0}
for i = 4, #KEYS do
  local base = 4 + (i - 4) * (#FIELDS + 1)
  local ask = {kind = ARGV[base + 1]}
  for j, field in ipairs(FIELDS) do ask[field] = tonumber(ARGV[base + 1 + j]) end
  local credits, level, retry, known, elsewhere, learns = settle(KEYS[i], ask)
  answer[#answer + 1] = credits
  answer[#answer + 1] = level
  answer[#answer + 1] = string.format('%.6f', retry)
  answer[#answer + 1] = known and 1 or 0
  answer[#answer + 1] = elsewhere
  answer[#answer + 1] = string.format('%.6f', learns)
end
return answer
