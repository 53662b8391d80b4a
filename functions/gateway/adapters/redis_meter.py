"""Counts calls in Redis, in one script each, and keeps records on disk while Redis is away."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import redis.asyncio
from redis.exceptions import ResponseError

from functions.gateway.adapters.redis_breaker import RedisAway, RedisBreaker
from functions.gateway.adapters.spool import Spool
from functions.kit.subjects import UsageRecord

PENDING = "usage:pending"
_KEEP_SECONDS = 40 * 86_400
_logger = logging.getLogger(__name__)

# The counters and the record that is their event change together or not at all. A record seen before (a spooled one
# that had arrived after all) changes nothing.
_SETTLE = """
local counters, pending, seen = KEYS[1], KEYS[2], KEYS[3]
if not redis.call('SET', seen, '1', 'NX', 'EX', 86400) then return 0 end
redis.call('HINCRBY', counters, 'requests', 1)
redis.call('HINCRBY', counters, 'promptTokens', ARGV[2])
redis.call('HINCRBY', counters, 'completionTokens', ARGV[3])
redis.call('HINCRBY', counters, 'costMicroUsd', ARGV[4])
redis.call('EXPIRE', counters, ARGV[5])
redis.call('XADD', pending, '*', 'r', ARGV[1])
return 1
"""


class RedisMeter:
    """Settles usage records; an accepted record reaches the ledger whatever is away."""

    def __init__(self, client: "redis.asyncio.Redis", breaker: RedisBreaker, spool: Spool) -> None:
        self._settle: Callable[..., Coroutine[Any, Any, Any]] = client.register_script(_SETTLE)
        self._breaker = breaker
        self._spool = spool

    async def settle(self, record: UsageRecord) -> None:
        """Count one call: in Redis, or on disk until Redis is back."""
        if self._breaker.is_open:
            await self._spool.append(record.model_dump_json(by_alias=True).encode())
            return
        try:
            await self._count(record)
        except (RedisAway, ResponseError) as error:
            _logger.warning("usage goes to the spool", extra={"reason": str(error)})
            await self._spool.append(record.model_dump_json(by_alias=True).encode())

    async def replay(self, line: bytes) -> None:
        """Count a spooled record.

        Raises:
            RedisAway: Redis is still away.
        """
        await self._count(UsageRecord.model_validate_json(line))

    async def _count(self, record: UsageRecord) -> None:
        counters = f"t:{record.tenant_id}:usage:{record.at:%Y-%m-%d}"
        seen = f"t:{record.tenant_id}:usage:seen:{record.usage_id}"
        arguments = [
            record.model_dump_json(by_alias=True),
            record.prompt_tokens,
            record.completion_tokens,
            record.cost_micro_usd,
            _KEEP_SECONDS,
        ]
        await self._breaker.run(self._settle(keys=[counters, PENDING, seen], args=arguments))
