"""What Redis counts of limits, read and corrected."""

from collections.abc import Sequence

import redis.asyncio

from functions.kit.quotas import HELD, PENDING
from functions.platform.core.reconcile_quotas import Miscount

_ADD = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'used', ARGV[1]) end"
# In one step, so that no call begins or ends between what is held for calls and what is held of limits. An entry's
# lines are those of functions/gateway/adapters/quota_scripts.py: pairs of counter and amount from the fourth on.
_WRONG_RESERVATIONS = """
local should = {}
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do
    local at, counter = 0, nil
    for line in string.gmatch(entry, '[^\\n]+') do
        at = at + 1
        if at > 3 and at % 2 == 0 then counter = line end
        if at > 3 and at % 2 == 1 then should[counter] = (should[counter] or 0) + tonumber(line) end
    end
end
local wrong = {}
for which = 2, #KEYS do
    local had = redis.call('HGET', KEYS[which], 'reserved')
    local sum = should[KEYS[which]] or 0
    if had and tonumber(had) ~= sum then
        wrong[#wrong + 1] = {KEYS[which], had, string.format('%.0f', sum)}
        if ARGV[1] == '1' then redis.call('HSET', KEYS[which], 'reserved', string.format('%.0f', sum)) end
    end
end
return wrong
"""
_BATCH = 500


class RedisCounters:
    """Port `Counters`."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._redis = client

    async def used(self, keys: Sequence[str]) -> Sequence[int | None]:
        """What was used by each counter; None where nothing was ever counted."""
        found: list[int | None] = []
        for start in range(0, len(keys), _BATCH):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys[start : start + _BATCH]:
                    pipeline.hget(key, "used")
                found += [None if value is None else int(value) for value in await pipeline.execute()]
        return found

    async def backlog(self) -> int:
        """How many calls are settled and not yet on their way to the ledger."""
        waiting: int = await self._redis.xlen(PENDING)
        return waiting

    async def add(self, key: str, amount: int) -> None:
        """Correct a counter, if it is still there."""
        await self._redis.eval(_ADD, 1, key, str(amount))

    async def wrong_reservations(self, keys: Sequence[str], *, repair: bool) -> Sequence[Miscount]:
        """The counters of which more or less is held than for the calls under way, by key."""
        wrong: list[Miscount] = []
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            rows = await self._redis.eval(_WRONG_RESERVATIONS, len(batch) + 1, HELD, *batch, str(int(repair)))
            wrong += [Miscount(key.decode(), int(had), int(should)) for key, had, should in rows]
        return wrong
