"""The scripts that count calls in Redis. Each is one step for everybody else: all of it has happened, or nothing.

A limit is counted in a hash (functions/kit/quotas.py names it): `used`, `reserved`, and one field for every threshold
that was crossed. What is held for calls under way is in `quota:held`, by usage id: the record to be counted should the
process die, the key of the day's counters and what the keys of its minute begin with, then pairs of counter and amount,
a line each. `quota:reservations` says until when each is held (milliseconds since 1970).

Which calls were counted, a hash says for all that began in the same minute, `<minute>:counted`: a key for each would be
eight million in an hour of a busy worker, each to be expired by itself. Those given up as dead are in
`<minute>:expired`.

Redis does nothing else meanwhile, so what a call needs as a rule comes first, with the fewest commands, and what is
seldom needed is taken apart, and functions made, where it is.
"""

from functions.gateway.adapters.redis_link import Script
from functions.kit.quotas import HELD, PENDING, RESERVATIONS

# In every script.
FIRST_KEYS = (PENDING, RESERVATIONS, HELD)
_BEGIN = """
local call = redis.call
local pending, reservations, held = KEYS[1], KEYS[2], KEYS[3]
"""
_NOW = """
local time = call('TIME')
local moment = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# End what is held for a call; whether anything was. One whose process died is recorded, unless it was counted after
# all. What an older gateway holds names a string of the call's own, which is there once it was counted or given up.
_GIVE_BACK = """
local function give_back(id, died)
    local entry = call('HGET', held, id)
    call('ZREM', reservations, id)
    if not entry then return end
    call('HDEL', held, id)
    local find, sub = string.find, string.sub
    local first = find(entry, '\\n', 1, true)
    local second = find(entry, '\\n', first + 1, true)
    local third = find(entry, '\\n', second + 1, true)
    local from = third
    while from do
        local middle = find(entry, '\\n', from + 1, true)
        local to = find(entry, '\\n', middle + 1, true)
        local counter = sub(entry, from + 1, middle - 1)
        -- Less than nothing: the counter's window is long over, or Redis came back without what was held.
        if call('HINCRBY', counter, 'reserved', -sub(entry, middle + 1, (to or 0) - 1)) < 0 then
            if call('HEXISTS', counter, 'used') == 1 then call('HSET', counter, 'reserved', 0)
            else call('DEL', counter) end
        end
        from = to
    end
    if not died then return true end
    local minute = sub(entry, second + 1, (third or 0) - 1)
    if call('EXISTS', minute) == 0 and call('HEXISTS', minute .. ':counted', id) == 0
        and call('HSETNX', minute .. ':expired', id, '1') == 1 then
        call('EXPIRE', minute .. ':expired', 86400)
        call('HINCRBY', sub(entry, first + 1, second - 1), 'requests', 1)
        call('XADD', pending, '*', 'r', sub(entry, 1, first - 1))
    end
    return true
end
"""
_GIVE_BACK_EXPIRED = """
local late = call('ZRANGEBYSCORE', reservations, '-inf', moment, 'LIMIT', 0, 1000)
for _, id in ipairs(late) do give_back(id, true) end
"""

# KEYS 4…: counters. ARGV: usage id, the entry should all of it fit, milliseconds held, most tokens of an answer,
# whether something is held already; for each counter the amount should all of it fit, the maximum, and, in one, fixed,
# per token, scale, expiry, seed. Returns {1, tokens}, or {0, which counter, used, reserved}.
RESERVE = Script(
    _BEGIN
    + _NOW
    + """
local id, entry, completion = ARGV[1], ARGV[2], ARGV[4] + 0
local anew = ARGV[5] == '1'
if anew or call('ZCOUNT', reservations, '-inf', moment) > 0 then
"""
    + _GIVE_BACK
    + _GIVE_BACK_EXPIRED
    + """
    if anew then give_back(id, false) end
end
local fits = true
for which = 4, #KEYS do
    local counted = call('HMGET', KEYS[which], 'used', 'reserved')
    local amount, maximum = ARGV[3 * which - 6], ARGV[3 * which - 5]
    fits = counted[1] and counted[1] + (counted[2] or 0) + amount - maximum <= 0
    if not fits then break end
end
if not fits then
    -- As much of it as fits, in windows that begin where nobody has begun them.
    local lines = {string.match(entry, '[^\\n]+\\n[^\\n]+\\n[^\\n]+')}
    local needed = {}
    for which = 4, #KEYS do
        local fixed, rate, scale, expires, seed =
            string.match(ARGV[3 * which - 4], '(%S+) (%S+) (%S+) (%S+) (%S+)')
        fixed, rate, scale = tonumber(fixed), tonumber(rate), tonumber(scale)
        needed[which] = {fixed, rate, scale}
        local counted = call('HMGET', KEYS[which], 'used', 'reserved')
        if not counted[1] then
            call('HSET', KEYS[which], 'used', seed, 'reserved', 0)
            call('EXPIREAT', KEYS[which], expires)
            counted = {seed, 0}
        end
        local used, reserved = tonumber(counted[1]), tonumber(counted[2] or 0)
        local left = (ARGV[3 * which - 5] - used - reserved) * scale
        local most = rate > 0 and math.floor((left - fixed) / rate) or completion
        if most < completion then completion = most end
        if fixed > left or (rate > 0 and most < 1) then return {0, which - 4, used, reserved} end
    end
    for which = 4, #KEYS do
        local fixed, rate, scale = unpack(needed[which])
        local amount = string.format('%.0f', math.ceil((fixed + rate * completion) / scale))
        ARGV[3 * which - 6] = amount
        lines[#lines + 1] = KEYS[which]
        lines[#lines + 1] = amount
    end
    entry = table.concat(lines, '\\n')
end
for which = 4, #KEYS do call('HINCRBY', KEYS[which], 'reserved', ARGV[3 * which - 6]) end
call('HSET', held, id, entry)
call('ZADD', reservations, moment + ARGV[3], id)
return {1, completion}
"""
)

# KEYS 4: the day's counters, 5: what the keys of the call's minute begin with, 6…: counters. ARGV: usage id, record,
# prompt tokens, completion tokens, cost, seconds that the day's counters are kept, whether something is held, what was
# said, entries beyond which that is left out; for each counter the amount, from what use on a threshold is crossed (''
# where there is none), and, in one, maximum, thresholds, expiry, seed, beginning of the event. A record counted before
# changes nothing (0); one of a call given up as dead counts. Returns 1, or 2 where what was said was left out.
SETTLE = Script(
    _BEGIN
    + """
local day, counted = KEYS[4], KEYS[5] .. ':counted'
if call('HSETNX', counted, ARGV[1], '1') == 0 then return 0 end
-- Those of a minute are counted soon after the first, but for calls that last and records that were on disk.
if call('HLEN', counted) == 1 then call('EXPIRE', counted, 5400) end
local before = false
if ARGV[7] == '1' then
"""
    + _GIVE_BACK
    + """
    before = not give_back(ARGV[1], false) and call('HEXISTS', KEYS[5] .. ':expired', ARGV[1]) == 1
end
for which = 6, #KEYS do
    local counter, amount, alarm, told = KEYS[which], ARGV[3 * which - 8], ARGV[3 * which - 7], ARGV[3 * which - 6]
    local used = call('HINCRBY', counter, 'used', amount)
    -- Nothing else is in it: nobody has begun its window.
    if used - amount == 0 and call('HLEN', counter) == 1 then
        local expires, seed = string.match(told, '%S+ %S* (%S+) (%S+)')
        used = seed + amount
        call('HSET', counter, 'used', used, 'reserved', 0)
        call('EXPIREAT', counter, expires)
    end
    if alarm ~= '' and used - alarm >= 0 then
        local maximum, thresholds, event = string.match(told, '(%S+) (%S*) %S+ %S+ (.+)')
        for threshold in string.gmatch(thresholds, '%d+') do
            -- By the maximum, too: a limit that was raised is crossed anew.
            if used * 100 >= maximum * threshold
                and call('HSETNX', counter, 'crossed:' .. maximum .. ':' .. threshold, '1') == 1 then
                local ending = string.format(',"threshold":%s,"used":%.0f}', threshold, used)
                call('XADD', pending, '*', 'q', event .. ending)
            end
        end
    end
end
local sums = call('HMGET', day, 'requests', 'promptTokens', 'completionTokens', 'costMicroUsd')
call('HSET', day,
    'requests', (sums[1] or 0) + (before and 0 or 1),
    'promptTokens', (sums[2] or 0) + ARGV[3],
    'completionTokens', (sums[3] or 0) + ARGV[4],
    'costMicroUsd', (sums[4] or 0) + ARGV[5])
if not sums[2] then call('EXPIRE', day, ARGV[6]) end
if ARGV[8] == '' then
    call('XADD', pending, '*', 'r', ARGV[2])
    return 1
end
-- Records must not be lost, however many wait; what was said would fill the memory.
if call('XLEN', pending) - ARGV[9] >= 0 then
    call('XADD', pending, '*', 'r', ARGV[2])
    return 2
end
call('XADD', pending, '*', 'r', ARGV[2], 'c', ARGV[8])
return 1
"""
)

# ARGV: usage id.
RELEASE = Script(_BEGIN + _GIVE_BACK + "give_back(ARGV[1], false)\nreturn 1\n")

# ARGV: milliseconds held from now on, usage ids. What has expired stays so.
RENEW = Script(
    _BEGIN
    + _NOW
    + _GIVE_BACK
    + """
for which = 2, #ARGV do call('ZADD', reservations, 'XX', moment + ARGV[1], ARGV[which]) end
"""
    + _GIVE_BACK_EXPIRED
    + "return #late\n"
)
