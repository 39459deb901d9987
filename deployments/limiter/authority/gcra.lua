-- The arithmetic of leases.py inside Redis: one exchange, atomic, by the server's own clock.
--
-- KEYS  1 epoch of the shard (hash: id, born)   2 replicas of the shard (sorted set by time)
--       3.. one bucket each (MessagePack)
-- ARGV  1 replica  2 its epoch  3 lease seconds  4 an epoch to use if there is none
--       then 12 for each bucket: kind capacity rate until spent number acked holding adjust need
--       waiting want
-- Returns epoch, replicas, then for each bucket: credits, level, retry-after seconds, known,
-- elsewhere.

local SLOTS_LEASE, GRACE_S, IDLE_S, LEASED, DUST, SEEN_FOR = 3, 60, 900, 0.5, 1e-6, 8
local EPOCH_LIFE_S = 31 * 86400

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
  redis.call('ZADD', KEYS[2], now, replica)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.17g', now - SEEN_FOR * ttl))
  redis.call('PEXPIRE', KEYS[2], math.ceil(SEEN_FOR * ttl * 1000))
  return id, born or nil, redis.call('ZCARD', KEYS[2])
end

local id, born, replicas = meet()
local current = epoch == '' or epoch == id
local learning = born and born + SLOTS_LEASE * ttl - now or 0

local function outstanding(bucket)
  local sum = 0
  for _, lease in pairs(bucket.leases) do sum = sum + lease.held end
  return sum
end

local function room_of(bucket, ask)
  if ask.kind == 'slots' then return math.max(0, ask.capacity - outstanding(bucket)) end
  return math.max(0, math.floor(bucket.level + DUST))
end

local function life(ask) return ask.kind == 'slots' and ttl * SLOTS_LEASE or ttl end

local function opened(ask)
  local level = 0
  if ask.kind == 'rate' then
    level = ask.capacity
    if born then level = math.min(level, ask.rate * (now - born)) end
  end
  return {level = level, at = now, capacity = ask.capacity, born = born or 0,
          known = ask.kind ~= 'budget', leases = {}}
end

local function forget(bucket, ask)
  if bucket.born == (born or 0) then return end
  bucket.born = born or 0
  if ask.kind == 'rate' and born then
    bucket.level = math.min(bucket.level, ask.rate * (now - born))
  elseif ask.kind == 'budget' then
    bucket.level, bucket.known = -outstanding(bucket), false
  end
end

local function refill(bucket, ask, at)
  if ask.kind == 'rate' then
    local gained = bucket.level + ask.rate * (at - bucket.at)
    bucket.level = math.min(gained, ask.capacity - outstanding(bucket))
  end
  bucket.at = at
end

local function pass_time(bucket, ask)
  if ask.kind == 'budget' and bucket.known then
    bucket.level = bucket.level + ask.capacity - bucket.capacity
  end
  bucket.capacity = ask.capacity
  if now < bucket.at then
    bucket.at = now
    for _, lease in pairs(bucket.leases) do
      lease.expires = math.min(lease.expires, now + life(ask))
    end
  end
  local over = {}
  for _, lease in pairs(bucket.leases) do
    if ask.kind ~= 'budget' and lease.expires <= now then over[#over + 1] = lease end
  end
  table.sort(over, function(a, b) return a.expires < b.expires end)
  for _, lease in ipairs(over) do
    refill(bucket, ask, math.max(bucket.at, lease.expires))
    lease.held, lease.granted = 0, 0
  end
  refill(bucket, ask, now)
  for name, lease in pairs(bucket.leases) do
    if lease.expires + GRACE_S <= now then bucket.leases[name] = nil end
  end
end

local function report(bucket, lease, ask)
  local met = lease.number > 0
  if met and ask.acked < lease.number then
    lease.held = lease.held - lease.granted
    bucket.level = bucket.level + lease.granted - lease.adjusted
  end
  local holding = (current or ask.kind == 'slots') and ask.holding or 0
  bucket.level = bucket.level + math.min(0, lease.held - holding)
  lease.held = holding

  local adjust = ask.adjust
  if adjust > 0 then
    local free = ask.capacity - outstanding(bucket) - bucket.level
    local trusted = current and (met or ask.acked == 0)
    adjust = trusted and math.min(adjust, math.max(0, free)) or 0
  end
  bucket.level = bucket.level + adjust
  lease.adjusted = adjust

  if not bucket.known and ask.spent >= 0 and learning <= 0 then
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
  local blocked = 0
  if ask.kind ~= 'rate' then
    blocked = bucket.known and math.max(0, learning) or math.max(0.001, learning)
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
  lease.expires = now + life(ask)
  local retry = 0
  if ask.need > 0 and credits == 0 then
    retry = blocked > 0 and blocked or retry_of(bucket, ask)
  end
  return credits, math.max(0, room - credits), retry, outstanding(bucket) - lease.held
end

local function keep(bucket, ask)
  if ask.kind == 'rate' then
    return (bucket.capacity - bucket.level) / ask.rate + ttl + GRACE_S
  elseif ask.kind == 'budget' then
    return IDLE_S
  end
  return SLOTS_LEASE * ttl + GRACE_S
end

local function settle(key, ask)
  local packed = redis.call('GET', key)
  local bucket = packed and cmsgpack.unpack(packed) or opened(ask)
  local lease = bucket.leases[replica]
  if lease and ask.number <= lease.number then return 0, room_of(bucket, ask), 0, true, 0 end
  forget(bucket, ask)
  pass_time(bucket, ask)
  lease = bucket.leases[replica]
  if not lease then
    lease = {number = 0, held = 0, granted = 0, adjusted = 0, expires = 0}
    bucket.leases[replica] = lease
  end
  report(bucket, lease, ask)
  local credits, level, retry, elsewhere = grant(bucket, lease, ask)
  local px = math.ceil(keep(bucket, ask) * 1000)
  redis.call('SET', key, cmsgpack.pack(bucket), 'PX', string.format('%.0f', px))
  return credits, level, retry, bucket.known, elsewhere
end

local FIELDS = {'capacity', 'rate', 'until', 'spent', 'number', 'acked', 'holding', 'adjust',
                'need', 'waiting', 'want'}
local answer = {id, replicas}
for i = 3, #KEYS do
  local base = 4 + (i - 3) * (#FIELDS + 1)
  local ask = {kind = ARGV[base + 1]}
  for j, field in ipairs(FIELDS) do ask[field] = tonumber(ARGV[base + 1 + j]) end
  local credits, level, retry, known, elsewhere = settle(KEYS[i], ask)
  answer[#answer + 1] = credits
  answer[#answer + 1] = level
  answer[#answer + 1] = string.format('%.6f', retry)
  answer[#answer + 1] = known and 1 or 0
  answer[#answer + 1] = elsewhere
end
return answer
