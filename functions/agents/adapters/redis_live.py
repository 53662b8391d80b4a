"""What happens in executions just now: a Redis stream each, bounded and short-lived."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import orjson
import redis.asyncio
import redis.exceptions

from functions.agents.core.models import Json, Place

_MOST = 5_000
_KEPT_SECONDS = 3_600
_WAIT_MS = 1_000
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)
_logger = logging.getLogger(__name__)


class RedisLive:
    """Port `Live`."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._redis = client

    async def say(self, place: Place, execution_id: str, name: str, data: Json) -> None:
        """Tell something; without Redis nobody is told, and the database has all but the words."""
        key = _key(place, execution_id)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(key, {"n": name, "d": orjson.dumps(dict(data))}, maxlen=_MOST, approximate=True)
                pipe.expire(key, _KEPT_SECONDS)
                await pipe.execute()
        except _AWAY as error:
            _logger.debug("nobody is told", extra={"reason": str(error)})

    async def follow(self, place: Place, execution_id: str, after: str) -> AsyncIterator[tuple[str, str, Json] | None]:
        """What was told after an id, each with its id and name; None when there is nothing."""
        key, last = _key(place, execution_id), after
        while True:
            try:
                found: Any = await self._redis.xread({key: last}, count=200, block=_WAIT_MS)
            except _AWAY:
                await asyncio.sleep(_WAIT_MS / 1000)
                found = []
            entries: list[tuple[bytes, dict[bytes, Any]]] = found[0][1] if found else []
            for entry_id, fields in entries:
                last = entry_id.decode()
                yield last, fields[b"n"].decode(), orjson.loads(fields[b"d"])
            if not entries:
                yield None


def _key(place: Place, execution_id: str) -> str:
    return f"t:{place.tenant_id}:agents:{execution_id}"
