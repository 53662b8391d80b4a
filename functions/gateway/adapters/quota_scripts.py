"""The scripts that count calls in Redis. Each is one step for everybody else: all of it has happened, or nothing.

A limit is counted in a hash (functions/kit/quotas.py names it): `used`, `reserved`, and one field for every threshold
that was crossed. What is held for calls under way is in `quota:held`, by usage id: the record to be counted should the
process die, the keys of the day's counters and of the mark that says it was counted, then pairs of counter and amount,
a line each. `quota:reservations` says until when each is held (milliseconds since 1970).
"""

from functions.gateway.adapters.redis_link import Script
from functions.kit.quotas import HELD, PENDING, RESERVATIONS

# In every script.
FIRST_KEYS = (PENDING, RESERVATIONS, HELD)
_COMMON = """
local pending, reservations, held = KEYS[1], KEYS[2], KEYS[3]

local function whole(number) return string.format('%.0f', number) end

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What is counted of a limit, its window begun where nobody has.
local function count(counter, seed, expires)
    local found = redis.call('HMGET', counter, 'used', 'reserved')
    if found[1] then return tonumber(found[1]), tonumber(found[2] or '0') end
    redis.call('HSET', counter, 'used', seed, 'reserved', '0')
    redis.call('EXPIREAT', counter, expires)
    return tonumber(seed), 0
end

-- End what is held for a call. One whose process died is recorded, unless it was counted after all.
local function give_back(id, died)
    local entry = redis.call('HGET', held, id)
    redis.call('ZREM', reservations, id)
    if not entry then return end
    redis.call('HDEL', held, id)
    local lines = {}
    for line in string.gmatch(entry, '[^\\n]+') do lines[#lines + 1] = line end
    for at = 4, #lines, 2 do
        local left = redis.call('HINCRBY', lines[at], 'reserved', '-' .. lines[at + 1])
        -- Less than nothing: the counter's window is long over, or Redis came back without what was held.
        if left < 0 then
            if redis.call('HEXISTS', lines[at], 'used') == 1 then redis.call('HSET', lines[at], 'reserved', '0')
            else redis.call('DEL', lines[at]) end
        end
    end
    if died and redis.call('SET', lines[3], 'expired', 'NX', 'EX', 86400) then
        redis.call('HINCRBY', lines[2], 'requests', 1)
        redis.call('XADD', pending, '*', 'r', lines[1])
    end
end

local function give_back_expired(moment)
    local late = redis.call('ZRANGEBYSCORE', reservations, '-inf', whole(moment), 'LIMIT', 0, 1000)
    for _, id in ipairs(late) do give_back(id, true) end
    return #late
end
"""

# KEYS 4…: counters. ARGV: usage id, the first three lines of the entry, milliseconds held, most tokens of an answer,
# whether something is held already; for each counter fixed, per token, scale, maximum, expiry, seed. Returns {1,
# tokens}, or {0, which counter, used, reserved}.
RESERVE = Script(
    _COMMON
    + """
local id, completion, moment = ARGV[1], tonumber(ARGV[4]), now()
give_back_expired(moment)
if ARGV[5] == '1' then give_back(id, false) end
for which = 4, #KEYS do
    local at = 5 + (which - 4) * 6
    local fixed, rate, scale = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local used, reserved = count(KEYS[which], ARGV[at + 6], ARGV[at + 5])
    local left = (tonumber(ARGV[at + 4]) - used - reserved) * scale
    local fits = rate > 0 and math.floor((left - fixed) / rate) or completion
    if fits < completion then completion = fits end
    if fixed > left or (rate > 0 and fits < 1) then return {0, which - 4, used, reserved} end
end
local lines = {ARGV[2]}
for which = 4, #KEYS do
    local at = 5 + (which - 4) * 6
    local amount = math.ceil((tonumber(ARGV[at + 1]) + tonumber(ARGV[at + 2]) * completion) / tonumber(ARGV[at + 3]))
    redis.call('HINCRBY', KEYS[which], 'reserved', whole(amount))
    lines[#lines + 1] = KEYS[which]
    lines[#lines + 1] = whole(amount)
end
redis.call('HSET', held, id, table.concat(lines, '\\n'))
redis.call('ZADD', reservations, whole(moment + tonumber(ARGV[3])), id)
return {1, completion}
"""
)

# KEYS 4: the day's counters, 5: the mark, 6…: counters. ARGV: usage id, record, prompt tokens, completion tokens, cost,
# seconds that the day's counters are kept, whether something is held, what was said, entries beyond which that is left
# out; for each counter amount, maximum, thresholds, expiry, seed, beginning of the event. A record counted before
# changes nothing (0); one of a call given up as dead counts. Returns 1, or 2 where what was said was left out.
SETTLE = Script(
    _COMMON
    + """
local day, mark = KEYS[4], KEYS[5]
local before = redis.call('SET', mark, '1', 'EX', 3600, 'GET')
if before == '1' then return 0 end
if ARGV[7] == '1' then give_back(ARGV[1], false) end
for which = 6, #KEYS do
    local at = 9 + (which - 6) * 6
    local maximum = tonumber(ARGV[at + 2])
    count(KEYS[which], ARGV[at + 5], ARGV[at + 4])
    local used = redis.call('HINCRBY', KEYS[which], 'used', ARGV[at + 1])
    for threshold in string.gmatch(ARGV[at + 3], '%d+') do
        -- By the maximum, too: a limit that was raised is crossed anew.
        if used * 100 >= maximum * tonumber(threshold)
            and redis.call('HSETNX', KEYS[which], 'crossed:' .. ARGV[at + 2] .. ':' .. threshold, '1') == 1 then
            local event = ARGV[at + 6] .. ',"threshold":' .. threshold .. ',"used":' .. whole(used) .. '}'
            redis.call('XADD', pending, '*', 'q', event)
        end
    end
end
if not before then redis.call('HINCRBY', day, 'requests', 1) end
-- Nothing was counted there before.
if redis.call('HINCRBY', day, 'promptTokens', ARGV[3]) == tonumber(ARGV[3]) then redis.call('EXPIRE', day, ARGV[6]) end
redis.call('HINCRBY', day, 'completionTokens', ARGV[4])
redis.call('HINCRBY', day, 'costMicroUsd', ARGV[5])
if ARGV[8] == '' then
    redis.call('XADD', pending, '*', 'r', ARGV[2])
    return 1
end
-- Records must not be lost, however many wait; what was said would fill the memory.
if redis.call('XLEN', pending) >= tonumber(ARGV[9]) then
    redis.call('XADD', pending, '*', 'r', ARGV[2])
    return 2
end
redis.call('XADD', pending, '*', 'r', ARGV[2], 'c', ARGV[8])
return 1
"""
)

# ARGV: usage id.
RELEASE = Script(_COMMON + "give_back(ARGV[1], false)\nreturn 1\n")

# ARGV: milliseconds held from now on, usage ids. What has expired stays so.
RENEW = Script(
    _COMMON
    + """
local moment = now()
local until_then = whole(moment + tonumber(ARGV[1]))
for which = 2, #ARGV do redis.call('ZADD', reservations, 'XX', until_then, ARGV[which]) end
return give_back_expired(moment)
"""
)
