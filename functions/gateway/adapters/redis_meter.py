"""Counts calls in Redis, in one script each, and keeps records on disk while Redis is away."""

import logging

from functions.gateway.adapters.redis_link import RedisAway, RedisLink, RedisRefused, Script
from functions.gateway.adapters.spool import Spool
from functions.kit.subjects import UsageRecord

PENDING = "usage:pending"
_KEEP_SECONDS = 40 * 86_400
_logger = logging.getLogger(__name__)

# The counters and the record that is their event change together or not at all. A record seen before (a spooled one
# that had arrived after all) changes nothing.
_SETTLE = Script("""
local counters, pending, seen = KEYS[1], KEYS[2], KEYS[3]
if not redis.call('SET', seen, '1', 'NX', 'EX', 86400) then return 0 end
redis.call('HINCRBY', counters, 'requests', 1)
redis.call('HINCRBY', counters, 'promptTokens', ARGV[2])
redis.call('HINCRBY', counters, 'completionTokens', ARGV[3])
redis.call('HINCRBY', counters, 'costMicroUsd', ARGV[4])
redis.call('EXPIRE', counters, ARGV[5])
redis.call('XADD', pending, '*', 'r', ARGV[1])
return 1
""")


class RedisMeter:
    """Settles usage records; an accepted record reaches the ledger whatever is away."""

    def __init__(self, link: RedisLink, spool: Spool) -> None:
        self._link = link
        self._spool = spool

    async def settle(self, record: UsageRecord) -> None:
        """Count one call: in Redis, or on disk until Redis is back."""
        line = record.model_dump_json(by_alias=True).encode()
        try:
            await self._count(record, line)
        except (RedisAway, RedisRefused) as error:
            _logger.warning("usage goes to the spool", extra={"reason": str(error)})
            await self._spool.append(line)

    async def replay(self, line: bytes) -> None:
        """Count a spooled record.

        Raises:
            RedisAway: Redis is still away.
        """
        await self._count(UsageRecord.model_validate_json(line), line)

    async def _count(self, record: UsageRecord, line: bytes) -> None:
        counters = f"t:{record.tenant_id}:usage:{record.at:%Y-%m-%d}"
        seen = f"t:{record.tenant_id}:usage:seen:{record.usage_id}"
        amounts = [record.prompt_tokens, record.completion_tokens, record.cost_micro_usd]
        await _SETTLE.run(self._link, [counters, PENDING, seen], [line, *amounts, _KEEP_SECONDS])
