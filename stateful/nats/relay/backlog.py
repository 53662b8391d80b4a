"""Watches what waits to be published: for how long, and whether operators are to be told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import nats.errors

from functions.kit.clock import rfc3339, utc_now
from functions.kit.database import PLATFORM, Databases
from functions.kit.quotas import PENDING
from stateful.nats.connection import BusAway, Publisher
from stateful.nats.loops import keep_running, side_by_side
from stateful.nats.relay.metrics import BACKLOG, BACKLOG_SECONDS
from stateful.nats.relay.settings import RelaySettings
from stateful.nats.relay.tenants import TenantOutboxes
from stateful.nats.signals import LagWatch, tell

if TYPE_CHECKING:
    import redis.asyncio

_SECONDS = 10.0
_UNPUBLISHED = """
    SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
    FROM outbox WHERE published_at IS NULL
"""

_logger = logging.getLogger("dcoder.events.relay")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one place.

    Attributes:
        waiting: rows, records, or tenants' databases.
        seconds: since when the oldest of them does.
    """

    waiting: int
    seconds: float


class Backlogs:
    """Keeps the metrics of what waits, and tells when something has waited for too long, and when no more.

    Every replica looks and tells; what they say is one alert.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        platform: Databases,
        tenants: TenantOutboxes,
        publisher: Publisher,
        settings: RelaySettings,
    ) -> None:
        self._redis = client
        self._platform = platform
        self._tenants = tenants
        self._publisher = publisher
        self._settings = settings

    async def run(self) -> None:
        """Watch until cancelled."""
        looks: dict[str, Callable[[], Awaitable[Backlog]]] = {
            "usage": self._usage,
            "platform-outbox": self._outbox,
            "tenant-outboxes": self._tenant_outboxes,
        }
        watches = []
        for name, look in looks.items():
            # It outlives looks that fail: what was told is not to be told again.
            watch = LagWatch(name, self._settings.backlog_alert_seconds, condition="backlog")
            # Each by itself: what one looks into may be away.
            watches.append(keep_running(f"the watch on {name}", partial(self._watch, name, look, watch)))
        await side_by_side(*watches)

    async def _watch(self, name: str, look: Callable[[], Awaitable[Backlog]], watch: LagWatch) -> None:
        while True:
            found = await look()
            BACKLOG.labels(name).set(found.waiting)
            BACKLOG_SECONDS.labels(name).set(found.seconds)
            signal = watch.see(int(found.seconds), detail=f"{found.waiting} wait")
            if signal is not None:
                try:
                    await tell(self._publisher, signal, occasion=rfc3339(utc_now()))
                except (nats.errors.Error, BusAway):
                    watch.forget()
            await asyncio.sleep(self._settings.backlog_look_seconds)

    async def _usage(self) -> Backlog:
        waiting = await self._redis.xlen(PENDING)
        # The client's types are those of every protocol version at once; this is version 2's.
        oldest: list[tuple[bytes, object]] = await self._redis.xrange(PENDING, count=1)  # type: ignore[assignment]
        if not oldest:
            return Backlog(waiting, 0.0)
        seconds, micros = await self._redis.time()
        # An entry's id begins with the time, in milliseconds, at which Redis took it.
        return Backlog(waiting, max(0.0, seconds + micros / 1e6 - int(oldest[0][0].split(b"-")[0]) / 1000))

    async def _outbox(self) -> Backlog:
        async with self._platform.acquire(PLATFORM) as connection:
            (row,) = await connection.fetch(_UNPUBLISHED, timeout=_SECONDS)
        return Backlog(row["waiting"], row["seconds"])

    async def _tenant_outboxes(self) -> Backlog:
        return Backlog(*self._tenants.waiting())
