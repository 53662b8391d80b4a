"""Events that stay in an outbox: the relay is told of them again, and operators when that does not help.

The relay finds events by itself and soon. This is for the day on which it does not: it looks from outside, straight
into the databases, and its alert is written without NATS, over which the relay's own would have to travel.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from functions.kit.clock import utc_now
from functions.kit.each_database import EachDatabase, Outcome
from functions.platform.core.alerts import Condition, RaiseAlerts

KEY = "system:outbox"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one outbox.

    Attributes:
        seconds: since when the oldest does.
    """

    events: int
    seconds: int


class Outboxes(Protocol):
    """The outboxes of all databases."""

    async def waiting(self, database: str) -> Waiting:
        """What is not published yet."""
        ...

    async def nudge(self, databases: Iterable[str]) -> None:
        """Tell the relay that these have events."""
        ...


class OutboxSweep:
    """Looks into every outbox.

    Args:
        begin: opens a unit of work.
        limit: seconds that an event may wait.
        patience: seconds in which the relay publishes what it was told of, if it can at all.
        look_every: seconds between looks meanwhile.
    """

    def __init__(
        self,
        each: EachDatabase,
        outboxes: Outboxes,
        raise_alerts: RaiseAlerts,
        begin: Callable[[], AbstractAsyncContextManager[Any]],
        *,
        limit: int,
        patience: float = 45.0,
        look_every: float = 1.0,
    ) -> None:
        self._each = each
        self._outboxes = outboxes
        self._raise = raise_alerts
        self._begin = begin
        self._limit = limit
        self._patience = patience
        self._look_every = look_every

    async def __call__(self) -> None:
        """Do it now; sound to repeat.

        Raises:
            DependencyUnavailable: the platform's database is away.
        """
        found = await self._each(self._outboxes.waiting)
        if late := self._late(found):
            await self._outboxes.nudge(late)
            found = await self._settled(late)
        # With no connection in hand until here: what was waited for took a while.
        async with self._begin():
            await self._tell(found)

    def _late(self, found: Outcome[Waiting]) -> Sequence[str]:
        stuck = [database for database, waiting in found.found.items() if waiting.seconds >= self._limit]
        return [*stuck, *found.failed]

    async def _settled(self, late: Sequence[str]) -> Outcome[Waiting]:
        """What is left once the relay has had its time."""
        until = time.monotonic() + self._patience
        while True:
            found = Outcome[Waiting]()
            await self._each.of(late, self._outboxes.waiting, found)
            late = self._late(found)
            if not late or time.monotonic() >= until:
                return found
            await asyncio.sleep(self._look_every)

    async def _tell(self, found: Outcome[Waiting]) -> None:
        stuck = {name: waiting for name, waiting in found.found.items() if waiting.seconds >= self._limit}
        if not stuck and not found.failed:
            await self._raise.recover(None, KEY, "no event has waited for long")
            return
        oldest_first = sorted(stuck.items(), key=lambda item: -item[1].seconds)
        databases: list[dict[str, Any]] = [
            {"database": name, "events": waiting.events, "seconds": waiting.seconds} for name, waiting in oldest_first
        ]
        databases += [{"database": name, "reason": why} for name, why in sorted(found.failed.items())]
        title = f"events of {_named([*dict(oldest_first), *sorted(found.failed)])} are not published"
        if stuck:
            title += f": the oldest has waited {oldest_first[0][1].seconds} seconds"
        else:
            title += ": the outbox cannot be looked into"
        condition = Condition(
            tenant_id=None,
            kind="system",
            severity="critical" if stuck else "warning",
            key=KEY,
            title=title,
            at=utc_now(),
            details={
                "condition": "outbox",
                "limit": self._limit,
                "stuck": len(stuck),
                "unreadable": len(found.failed),
                "databases": databases[:_SHOWN],
            },
        )
        await self._raise([condition])


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} databases, {names[0]} among them,"
