"""The scripts of the answer cache. Each is one step for everybody else: all of it has happened, or nothing.

A tenant's cache is a hash `answer:t:<tenant>:cache:<id>` per answer and, under `t:<tenant>:cache:`, the sorted sets
`used` (when each was last given) and `expires`, the hash `sizes` (bytes of each) and the hash `totals`. What was
learned of entries outlives them: `seen:<id>` and `seen` list observations as `similarity verdict`, `learned:<id>` and
`learned` hold what follows from them as `version start threshold`. `flight:<id>` is held by the process that asks a
provider just now.
"""

from functions.gateway.adapters.redis_link import Script

_NAMES = """
local base = KEYS[1]
local answer = 'answer:' .. base
"""
_COMMON = (
    _NAMES
    + """
local used, expires, sizes, totals = base .. 'used', base .. 'expires', base .. 'sizes', base .. 'totals'

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Finer, because many are given within a millisecond; as text, because Lua rounds what has so many digits.
local function just_now()
    local time = redis.call('TIME')
    return string.format('%s%06d', time[1], time[2])
end

local function drop(id)
    local size = redis.call('HGET', sizes, id)
    if not size then return 0 end
    redis.call('DEL', answer .. id)
    redis.call('ZREM', used, id)
    redis.call('ZREM', expires, id)
    redis.call('HDEL', sizes, id)
    redis.call('HINCRBY', totals, 'bytes', -size)
    return 1
end

local function drop_expired(moment)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', expires, '-inf', moment, 'LIMIT', 0, 200)) do drop(id) end
end
"""
)

# KEYS: the tenant's cache. ARGV: id, token, lease in ms (0: none). The stored answer, or who asks for it: 1 the caller
# from now on, 2 somebody else, 0 nobody.
FIND = Script(
    _NAMES
    + """
local found = redis.call('HGET', answer .. ARGV[1], 'answer')
if found then return found end
if ARGV[3] == '0' then return 0 end
if redis.call('SET', base .. 'flight:' .. ARGV[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
return 2
"""
)

# ARGV: id, token.
LAND = Script(
    _NAMES
    + """
local flight = base .. 'flight:' .. ARGV[1]
if redis.call('GET', flight) == ARGV[2] then redis.call('DEL', flight) end
return 1
"""
)

# ARGV: id, seconds to live, most entries, most bytes, size, then fields and values. How many entries made room.
STORE = Script(
    _COMMON
    + """
local id, seconds, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local room, size = tonumber(ARGV[4]), tonumber(ARGV[5])
local moment = now()
drop_expired(moment)
drop(id)
redis.call('DEL', base .. 'flight:' .. id)
if size > room or most < 1 then return 0 end
local evicted = 0
while redis.call('ZCARD', used) >= most or tonumber(redis.call('HGET', totals, 'bytes') or '0') + size > room do
    local oldest = redis.call('ZRANGE', used, 0, 0)[1]
    if not oldest then break end
    drop(oldest)
    evicted = evicted + 1
end
local entry = answer .. id
redis.call('HSET', entry, unpack(ARGV, 6))
local learned = redis.call('GET', base .. 'learned:' .. id)
if learned then redis.call('HSET', entry, 'learned', learned) end
redis.call('EXPIRE', entry, seconds)
redis.call('ZADD', used, just_now(), id)
redis.call('ZADD', expires, moment + seconds * 1000, id)
redis.call('HSET', sizes, id, size)
redis.call('HINCRBY', totals, 'bytes', size)
if evicted > 0 then redis.call('HINCRBY', totals, 'evicted', evicted) end
return evicted
"""
)

# ARGV: the number of totals, then their names and amounts, then ids that were given.
NOTE = Script(
    _COMMON
    + """
local count = tonumber(ARGV[1])
for at = 2, 2 * count, 2 do redis.call('HINCRBY', totals, ARGV[at], ARGV[at + 1]) end
local moment = just_now()
for at = 2 * count + 2, #ARGV do redis.call('ZADD', used, 'XX', moment, ARGV[at]) end
return 1
"""
)

# ARGV: id, similarity ('' when it was the same request), verdict (1 right, 0 wrong), evict (1 or 0), most observations
# of the tenant and of the entry, seconds to remember. Version, then the tenant's and the entry's observations.
OBSERVE = Script(
    _COMMON
    + """
local id, keep = ARGV[1], tonumber(ARGV[7])
redis.call('HINCRBY', totals, ARGV[3] == '1' and 'right' or 'wrong', 1)
local version = redis.call('HINCRBY', totals, 'observations', 1)
if ARGV[4] == '1' then drop(id) end
if ARGV[2] == '' then return {version, {}, {}} end
local seen = {base .. 'seen', base .. 'seen:' .. id}
for at, list in ipairs(seen) do
    redis.call('RPUSH', list, ARGV[2] .. ' ' .. ARGV[3])
    redis.call('LTRIM', list, -ARGV[4 + at], -1)
    redis.call('EXPIRE', list, keep)
end
return {version, redis.call('LRANGE', seen[1], 0, -1), redis.call('LRANGE', seen[2], 0, -1)}
"""
)

# ARGV: id, version, start, the tenant's threshold, the entry's, seconds to remember. What a later version found stays.
LEARN = Script(
    _COMMON
    + """
local function keep(name, threshold)
    local before = redis.call('GET', name)
    if before and tonumber(string.match(before, '^%d+')) > tonumber(ARGV[2]) then return end
    redis.call('SET', name, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. threshold, 'EX', ARGV[6])
end
keep(base .. 'learned', ARGV[4])
keep(base .. 'learned:' .. ARGV[1], ARGV[5])
local entry = answer .. ARGV[1]
if redis.call('EXISTS', entry) == 1 then
    redis.call('HSET', entry, 'learned', redis.call('GET', base .. 'learned:' .. ARGV[1]))
end
return 1
"""
)

# ARGV: cursor, provider and model ('' for any). The next cursor, and how many entries were dropped.
FLUSH = Script(
    _COMMON
    + """
local found = redis.call('HSCAN', sizes, ARGV[1], 'COUNT', 500)
local dropped = 0
for at = 1, #found[2], 2 do
    local id = found[2][at]
    local is = redis.call('HMGET', answer .. id, 'provider', 'model')
    if (ARGV[2] == '' or is[1] == ARGV[2]) and (ARGV[3] == '' or is[2] == ARGV[3]) then dropped = dropped + drop(id) end
end
return {found[1], dropped}
"""
)

# How many entries, what `totals` holds, and what was learned of the tenant.
OVERVIEW = Script(
    _COMMON
    + """
drop_expired(now())
return {redis.call('HLEN', sizes), redis.call('HGETALL', totals), redis.call('GET', base .. 'learned') or ''}
"""
)
