"""Gateways as far as limits know them: each with its own connection to one Redis."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import redis.asyncio

from functions.gateway.adapters.redis_link import RedisLink
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.adapters.spool import Spool
from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Json
from functions.gateway.core.quota import Limit, TenantLimits
from functions.gateway.core.usage import Said
from functions.kit.identifiers import new_id
from functions.kit.quotas import HELD, PENDING, RESERVATIONS, span_of
from functions.kit.subjects import UsageRecord

TENANT = "t1"
NOON = datetime.now(UTC).replace(microsecond=0)


def limit(maximum: int, **fields: Any) -> Limit:
    given = {"id": new_id(), "tenant_id": TENANT, "subject_kind": "tenant", "subject_id": None}
    return Limit(**{**given, "metric": "tokens", "window": "day", "maximum": maximum, "hard": True, **fields})


def record(**fields: Any) -> UsageRecord:
    given = {"usage_id": new_id(), "tenant_id": TENANT, "at": NOON, "provider": "openai", "model": "gpt-4o"}
    given |= {"operation": "chat", "prompt_tokens": 0, "completion_tokens": 0, "cost_micro_usd": 0}
    return UsageRecord.model_validate({**given, **fields})


class Directory:
    """Port `LimitDirectory`: the limits that a test sets."""

    def __init__(self, *limits: Limit) -> None:
        self.known = TenantLimits(limits)

    async def limits(self, tenant_id: str) -> TenantLimits:
        return self.known


class Unsaid:
    """Port `Contents`: nothing is examined."""

    def expect(self, booking: Booking) -> None:
        pass

    def is_expected(self, booking: Booking) -> bool:
        return False

    async def expected(self, booking: Booking) -> None:
        pass

    def sealed(self, booking: Booking, body: Json, completion: Json | None) -> bytes:
        return b""


class Unobserved:
    """Port `CallObserver`: nobody is told."""

    def ended(self, booking: Booking, record: UsageRecord, said: Said | None) -> None:
        pass

    def failed(self, booking: Booking, code: str) -> None:
        pass


class Books:
    """What Redis has counted."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self.client = client

    async def of(self, one: Limit) -> tuple[int, int]:
        """What was used of a limit, and what is held of it."""
        used, reserved = await self.client.hmget(one.key(span_of(one.window, NOON)), ["used", "reserved"])
        return int(used or 0), int(reserved or 0)

    async def held(self) -> tuple[int, int]:
        return await self.client.zcard(RESERVATIONS), await self.client.hlen(HELD)

    async def told(self, field: str) -> list[dict[str, Any]]:
        entries: list[tuple[bytes, Mapping[bytes, bytes]]] = await self.client.xrange(PENDING)  # type: ignore[assignment]
        return [orjson.loads(fields[field.encode()]) for _, fields in entries if field.encode() in fields]

    async def day(self) -> dict[str, int]:
        counted: dict[Any, Any] = await self.client.hgetall(f"t:{TENANT}:usage:{NOON:%Y-%m-%d}")
        return {name.decode(): int(value) for name, value in counted.items()}

    async def die(self, usage_ids: Sequence[str]) -> None:
        """Make it so long ago that their process was last alive that they have expired."""
        if usage_ids:
            await self.client.zadd(RESERVATIONS, dict.fromkeys(usage_ids, 1.0), xx=True)


async def meters(
    stack: AsyncExitStack,
    port: int,
    folder: Path,
    count: int,
    directory: Directory | None = None,
    *,
    answer_seconds: float = 2.0,
    **options: Any,
) -> list[RedisMeter]:
    url = f"redis://127.0.0.1:{port}/0"
    links = [RedisLink(url, timeout_seconds=answer_seconds) for _ in range(count)]
    for link in links:
        stack.push_async_callback(link.close)
    spools = [Spool(folder / f"spool-{n}") for n in range(count)]
    found = directory or Directory()
    return [RedisMeter(link, spool, found, **options) for link, spool in zip(links, spools, strict=True)]
