"""The scripts of the answer cache. Each is one step for everybody else: all of it has happened, or nothing.

A tenant's cache is a hash per answer, `answer:t:<tenant>:cache:<id>` where it has a vector and
`t:<tenant>:cache:plain:<id>` where not (each write to the former takes RediSearch's time), and, under
`t:<tenant>:cache:`, the sorted sets `used` (when each was last given) and `expires`, the hash `sizes` (bytes of each)
and the hash `totals`. What was learned of entries outlives them: `seen:<id>` and `seen` list observations as
`similarity verdict`, `learned:<id>` and `learned` hold what follows from them as `version start threshold`.
`flight:<id>` is held by the process that asks a provider just now.
"""

from functions.gateway.adapters.redis_link import Script

_NAMES = """
local call, base = redis.call, KEYS[1]
local answer, plain = 'answer:' .. base, base .. 'plain:'
"""
_BOOKS = (
    _NAMES
    + """
local used, expires, sizes, totals = base .. 'used', base .. 'expires', base .. 'sizes', base .. 'totals'
"""
)
_NOW = """
local time = call('TIME')
local moment = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_DROP = """
local function drop(id)
    local size = call('HGET', sizes, id)
    if not size then return 0 end
    call('DEL', answer .. id, plain .. id)
    call('ZREM', used, id)
    call('ZREM', expires, id)
    call('HDEL', sizes, id)
    call('HINCRBY', totals, 'bytes', -size)
    return 1
end
"""
_DROP_EXPIRED = """
for _, id in ipairs(call('ZRANGEBYSCORE', expires, '-inf', moment, 'LIMIT', 0, 200)) do drop(id) end
"""

# KEYS: the tenant's cache. ARGV: id, token, lease in ms (0: none). The stored answer, or who asks for it: 1 the caller
# from now on, 2 somebody else, 0 nobody.
FIND = Script("""
local call, base, id = redis.call, KEYS[1], ARGV[1]
local found = call('HGET', base .. 'plain:' .. id, 'answer') or call('HGET', 'answer:' .. base .. id, 'answer')
if found then return found end
if ARGV[3] == '0' then return 0 end
if call('SET', base .. 'flight:' .. id, ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
return 2
""")

# ARGV: id, token.
LAND = Script(
    _NAMES
    + """
local flight = base .. 'flight:' .. ARGV[1]
if call('GET', flight) == ARGV[2] then call('DEL', flight) end
return 1
"""
)

# ARGV: id, seconds to live, most entries, most bytes, size, then provider, model and answer as fields and values, then,
# for the index, more of them. How many entries made room: some more than must, of many, so that it is seldom done.
STORE = Script(
    _BOOKS
    + _NOW
    + """
local id, seconds = ARGV[1], ARGV[2]
local most, room, size = ARGV[3] + 0, ARGV[4] + 0, ARGV[5] + 0
local entry, flight = plain .. id, base .. 'flight:' .. id
local fits = size <= room and most >= 1
if not fits or call('ZCOUNT', expires, '-inf', moment) > 0 or call('HSETNX', sizes, id, size) == 0 then
"""
    + _DROP
    + _DROP_EXPIRED
    + """
    drop(id)
    if not fits then
        call('DEL', flight)
        return 0
    end
    call('HSET', sizes, id, size)
end
local bytes, entries, evicted, freed = call('HINCRBY', totals, 'bytes', size), call('ZCARD', used), 0, 0
while entries >= most or bytes - freed > room do
    local oldest = call('ZPOPMIN', used, math.max(1, math.min(16, math.floor(entries / 64))))
    if not oldest[1] then break end
    local ids, keys = {}, {}
    for at = 1, #oldest, 2 do
        ids[#ids + 1] = oldest[at]
        keys[#keys + 1] = answer .. oldest[at]
        keys[#keys + 1] = plain .. oldest[at]
    end
    call('DEL', unpack(keys))
    call('ZREM', expires, unpack(ids))
    for _, gone in ipairs(call('HMGET', sizes, unpack(ids))) do freed = freed + (gone or 0) end
    call('HDEL', sizes, unpack(ids))
    entries, evicted = entries - #ids, evicted + #ids
end
if #ARGV > 11 then
    entry = answer .. id
    local learned = call('GET', base .. 'learned:' .. id)
    if learned then ARGV[#ARGV + 1], ARGV[#ARGV + 2] = 'learned', learned end
end
call('HSET', entry, unpack(ARGV, 6))
call('EXPIRE', entry, seconds)
-- Finer than a millisecond, in which many are given.
call('ZADD', used, time[1] * 1000000 + time[2], id)
call('ZADD', expires, moment + seconds * 1000, id)
call('DEL', flight)
if evicted > 0 then
    call('HINCRBY', totals, 'bytes', -freed)
    call('HINCRBY', totals, 'evicted', evicted)
end
return evicted
"""
)

# ARGV: the number of totals, then their names and amounts, then ids that were given.
NOTE = Script(
    _BOOKS
    + """
local count = tonumber(ARGV[1])
for at = 2, 2 * count, 2 do call('HINCRBY', totals, ARGV[at], ARGV[at + 1]) end
local time = call('TIME')
local moment = time[1] * 1000000 + time[2]
for at = 2 * count + 2, #ARGV do call('ZADD', used, 'XX', moment, ARGV[at]) end
return 1
"""
)

# ARGV: id, similarity ('' when it was the same request), verdict (1 right, 0 wrong), evict (1 or 0), most observations
# of the tenant and of the entry, seconds to remember. Version, then the tenant's and the entry's observations.
OBSERVE = Script(
    _BOOKS
    + _DROP
    + """
local id, keep = ARGV[1], tonumber(ARGV[7])
call('HINCRBY', totals, ARGV[3] == '1' and 'right' or 'wrong', 1)
local version = call('HINCRBY', totals, 'observations', 1)
if ARGV[4] == '1' then drop(id) end
if ARGV[2] == '' then return {version, {}, {}} end
local seen = {base .. 'seen', base .. 'seen:' .. id}
for at, list in ipairs(seen) do
    call('RPUSH', list, ARGV[2] .. ' ' .. ARGV[3])
    call('LTRIM', list, -ARGV[4 + at], -1)
    call('EXPIRE', list, keep)
end
return {version, call('LRANGE', seen[1], 0, -1), call('LRANGE', seen[2], 0, -1)}
"""
)

# ARGV: id, version, start, the tenant's threshold, the entry's, seconds to remember. What a later version found stays.
LEARN = Script(
    _NAMES
    + """
local function keep(name, threshold)
    local before = call('GET', name)
    if before and tonumber(string.match(before, '^%d+')) > tonumber(ARGV[2]) then return end
    call('SET', name, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. threshold, 'EX', ARGV[6])
end
keep(base .. 'learned', ARGV[4])
keep(base .. 'learned:' .. ARGV[1], ARGV[5])
local entry = answer .. ARGV[1]
if call('EXISTS', entry) == 1 then
    call('HSET', entry, 'learned', call('GET', base .. 'learned:' .. ARGV[1]))
end
return 1
"""
)

# ARGV: cursor, provider and model ('' for any). The next cursor, and how many entries were dropped.
FLUSH = Script(
    _BOOKS
    + _DROP
    + """
local found = call('HSCAN', sizes, ARGV[1], 'COUNT', 500)
local dropped = 0
for at = 1, #found[2], 2 do
    local id = found[2][at]
    local is = call('HMGET', plain .. id, 'provider', 'model')
    if not is[1] then is = call('HMGET', answer .. id, 'provider', 'model') end
    if (ARGV[2] == '' or is[1] == ARGV[2]) and (ARGV[3] == '' or is[2] == ARGV[3]) then dropped = dropped + drop(id) end
end
return {found[1], dropped}
"""
)

# How many entries, what `totals` holds, and what was learned of the tenant.
OVERVIEW = Script(
    _BOOKS
    + _NOW
    + _DROP
    + _DROP_EXPIRED
    + """
return {call('HLEN', sizes), call('HGETALL', totals), call('GET', base .. 'learned') or ''}
"""
)
