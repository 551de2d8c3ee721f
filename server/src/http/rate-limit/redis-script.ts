/**
 * Counts a request on all counters or on none, and warns who is beyond a limit: the same rules as `MemoryStore`, in
 * one step that nothing can come between.
 *
 * KEYS: the counters, then as many penalties, one for the subject of each counter. A counter is a hash of slots that
 * hold something, with `total`, `oldest` and `newest` slot. A penalty is a hash of what `Penalty` has, with the key of
 * the counter instead of the bucket.
 *
 * ARGV: now, length of a slot, number of slots, cooldown, longest cooldown, most warnings (-1: do not warn), life of a
 * warning, then the limit of each counter. Times in milliseconds.
 *
 * Returns: which counter refused (-1: none), how long to wait, warnings, whether one was given, then for each counter
 * how much is counted and when the oldest of it leaves.
 */
export const HIT = `
local now, slotMs, slots = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local cooldownMs, maxCooldownMs = tonumber(ARGV[4]), tonumber(ARGV[5])
local maxWarnings, warningMs = tonumber(ARGV[6]), tonumber(ARGV[7])
local count = #KEYS / 2
local function field(slot) return string.format('%.0f', slot) end
local function leavesAt(slot) return math.ceil((slot + slots + 1) * slotMs) end

if maxWarnings >= 0 then
  for i = 1, count do
    local known = redis.call('HMGET', KEYS[count + i], 'until', 'warnings', 'warnedAt', 'counter', 'freeAt')
    if known[1] and tonumber(known[1]) > now and tonumber(known[3]) <= now then
      local free = known[4] == KEYS[i] and tonumber(known[5]) or 0
      return { i - 1, math.max(tonumber(known[1]), free) - now, tonumber(known[2]), 0 }
    end
  end
end

local windows, full = {}, 0
for i = 1, count do
  local key = KEYS[i]
  local known = redis.call('HMGET', key, 'total', 'oldest', 'newest')
  local slot = math.floor(now / slotMs)
  local window = { total = tonumber(known[1] or 0), oldest = tonumber(known[2] or slot), newest = tonumber(known[3] or slot) }
  if window.newest - slot > slots or slot - window.newest > slots then
    redis.call('DEL', key)
    window = { total = 0, oldest = slot, newest = slot }
  end
  window.slot = math.max(slot, window.newest)
  while window.oldest < window.newest do
    local held = tonumber(redis.call('HGET', key, field(window.oldest)) or 0)
    if held > 0 then
      if window.oldest >= window.slot - slots then break end
      window.total = window.total - held
      redis.call('HDEL', key, field(window.oldest))
    end
    window.oldest = window.oldest + 1
  end
  windows[i] = window
  if full == 0 and window.total >= tonumber(ARGV[7 + i]) then full = i end
end

local result = { full - 1, 0, 0, 0 }
for i = 1, count do
  local key, window = KEYS[i], windows[i]
  if full == 0 then
    window.total = window.total + 1
    window.newest = window.slot
    if window.total == 1 then window.oldest = window.slot end
    redis.call('HINCRBY', key, field(window.slot), 1)
  end
  redis.call('HSET', key, 'total', field(window.total), 'oldest', field(window.oldest), 'newest', field(window.newest))
  redis.call('PEXPIRE', key, math.ceil(slotMs * (slots + 2)))
  result[3 + 2 * i] = window.total
  result[4 + 2 * i] = window.total > 0 and leavesAt(window.oldest) or 0
end
if full == 0 then return result end

local key, window, limit = KEYS[full], windows[full], tonumber(ARGV[7 + full])
local rest, slot, free = window.total, window.oldest, now
while rest >= limit and slot <= window.newest do
  local held = tonumber(redis.call('HGET', key, field(slot)) or 0)
  if held > 0 then
    rest = rest - held
    free = leavesAt(slot)
  end
  slot = slot + 1
end
result[2] = free - now
if maxWarnings < 0 then return result end

local penalty = KEYS[count + full]
local known = redis.call('HMGET', penalty, 'warnings', 'warnedAt')
local forgotten = math.max(0, math.floor((now - tonumber(known[2] or now)) / warningMs))
local warnings = math.min(math.max(0, tonumber(known[1] or 0) - forgotten), maxWarnings) + 1
local cooldown = warnings > 1 and math.min(maxCooldownMs, cooldownMs * warnings) or 0
redis.call('HSET', penalty, 'warnings', warnings, 'warnedAt', field(now), 'until', field(now + cooldown),
  'counter', key, 'freeAt', field(free))
redis.call('PEXPIRE', penalty, field(warningMs * warnings + maxCooldownMs))
result[2] = math.max(result[2], cooldown)
result[3] = warnings
result[4] = 1
return result
`

/** Takes back one from each counter. KEYS: the counters. ARGV: when it was counted, length of a slot. */
export const REFUND = `
for i = 1, #KEYS do
  local slot = string.format('%.0f', math.floor(tonumber(ARGV[1]) / tonumber(ARGV[2])))
  if tonumber(redis.call('HGET', KEYS[i], slot) or 0) > 0 then
    redis.call('HINCRBY', KEYS[i], slot, -1)
    redis.call('HINCRBY', KEYS[i], 'total', -1)
  end
end
return 0
`
