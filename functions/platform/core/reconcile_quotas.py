"""Compares what Redis counts, what the mirror counts and what the ledger holds, and repairs what differs.

The ledger is the truth. What Redis counts reaches it within seconds: Redis may be ahead of the ledger, and that is only
drift where it stays so while nothing is on its way. Behind it is never by itself.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

_LOOK_EVERY_SECONDS = 1.0
_QUIET_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that was not what the ledger says.

    Attributes:
        what: the sums of an hour, the mirror's count of a limit, Redis' count of it, or what Redis holds of it.
        name: the hour, or the limit's id.
        state: what was done. `busy`: calls never ceased for long enough to tell how much of it is drift.
    """

    tenant_id: str
    what: Literal["hour", "mirror", "redis", "reserved"]
    name: str
    had: int
    should: int
    state: Literal["found", "repaired", "busy"] = "found"


@dataclass(frozen=True, slots=True)
class Report:
    """What a reconciliation found."""

    tenants: int = 0
    limits: int = 0
    drifts: Sequence[Drift] = field(default_factory=tuple)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is left that differs."""
        return all(drift.state == "repaired" for drift in self.drifts)


class Counted(NamedTuple):
    """A limit's count in the mirror, in the window that holds now."""

    tenant_id: str
    quota_id: str
    key: str
    used: int


class Miscount(NamedTuple):
    """A count that is not what the ledger says."""

    name: str
    had: int
    should: int


class Ledger(Protocol):
    """The ledger with what is made of it. Repairs hold off the mirroring of the tenant's usage meanwhile."""

    async def tenants(self, since: datetime) -> Sequence[str]:
        """Those that have limits, or usage since then."""
        ...

    async def wrong_hours(self, tenant_id: str, since: datetime) -> Sequence[Miscount]:
        """The hours whose sums are not those of the ledger, with their requests."""
        ...

    async def sum_up(self, tenant_id: str, hours: Sequence[str]) -> None:
        """Make the sums of these hours anew."""
        ...

    async def wrong_counters(self, tenant_id: str) -> Sequence[Miscount]:
        """The limits whose count in the mirror is not that of the ledger."""
        ...

    async def count_anew(self, tenant_id: str) -> None:
        """Make the mirror's counts of the windows that hold now anew."""
        ...

    async def counted(self, tenant_id: str) -> Sequence[Counted]:
        """The mirror's counts of all limits of a tenant."""
        ...


class Counters(Protocol):
    """What Redis counts."""

    async def used(self, keys: Sequence[str]) -> Sequence[int | None]:
        """What was used by each counter; None where nothing was ever counted."""
        ...

    async def backlog(self) -> int:
        """How many calls are settled and not yet on their way to the ledger."""
        ...

    async def add(self, key: str, amount: int) -> None:
        """Correct a counter, if it is still there."""
        ...

    async def wrong_reservations(self, keys: Sequence[str], *, repair: bool) -> Sequence[Miscount]:
        """The counters of which more or less is held than for the calls under way, by key."""
        ...


class ReconcileQuotas:
    """Goes through all tenants.

    Args:
        patience: seconds for which calls may keep on coming before a difference in Redis is called busy.
        look_every: seconds between looks; what is on its way needs less than a few of them.
    """

    def __init__(
        self, ledger: Ledger, counters: Counters, *, patience: float = 30.0, look_every: float = _LOOK_EVERY_SECONDS
    ) -> None:
        self._ledger = ledger
        self._counters = counters
        self._patience = patience
        self._look_every = look_every

    async def __call__(self, since: datetime, *, repair: bool) -> Report:
        """Compare all that was used since then, and what counts now.

        Args:
            repair: make it what it should be, instead of only reporting it.
        """
        tenants = await self._ledger.tenants(since)
        drifts: list[Drift] = []
        counted: list[Counted] = []
        for tenant_id in tenants:
            drifts += await self._hours(tenant_id, since, repair=repair)
            drifts += await self._mirror(tenant_id, repair=repair)
            counted += await self._ledger.counted(tenant_id)
        drifts += await self._reservations(counted, repair=repair)
        drifts += await self._redis(counted, repair=repair)
        return Report(len(tenants), len(counted), drifts)

    async def _hours(self, tenant_id: str, since: datetime, *, repair: bool) -> list[Drift]:
        wrong = await self._ledger.wrong_hours(tenant_id, since)
        if wrong and repair:
            await self._ledger.sum_up(tenant_id, [hour.name for hour in wrong])
        return [Drift(tenant_id, "hour", *hour, _state(repair=repair)) for hour in wrong]

    async def _mirror(self, tenant_id: str, *, repair: bool) -> list[Drift]:
        wrong = await self._ledger.wrong_counters(tenant_id)
        if wrong and repair:
            await self._ledger.count_anew(tenant_id)
        return [Drift(tenant_id, "mirror", *counter, _state(repair=repair)) for counter in wrong]

    async def _reservations(self, counted: Sequence[Counted], *, repair: bool) -> list[Drift]:
        by_key = {one.key: one for one in counted}
        wrong = await self._counters.wrong_reservations(list(by_key), repair=repair)
        return [
            Drift(by_key[key].tenant_id, "reserved", by_key[key].quota_id, had, should, _state(repair=repair))
            for key, had, should in wrong
        ]

    async def _redis(self, counted: Sequence[Counted], *, repair: bool) -> list[Drift]:
        watched = {one.key: _Watched(one.tenant_id, one.quota_id) for one in counted}
        until = time.monotonic() + self._patience
        while watched:
            await self._look(watched)
            watched = {key: one for key, one in watched.items() if one.differs}
            if all(one.is_certain for one in watched.values()) or time.monotonic() > until:
                break
            await asyncio.sleep(self._look_every)
        return [await self._settle(key, one, repair=repair) for key, one in watched.items()]

    async def _look(self, watched: "dict[str, _Watched]") -> None:
        tenants: dict[str, list[str]] = {}
        for key, one in watched.items():
            tenants.setdefault(one.tenant_id, []).append(key)
        for tenant_id, keys in tenants.items():
            # The ledger first, and Redis right after: what is counted meanwhile can only put Redis ahead.
            mirrored = {one.key: one.used for one in await self._ledger.counted(tenant_id)}
            used = await self._counters.used(keys)
            is_quiet = not await self._counters.backlog()
            for key, count in zip(keys, used, strict=True):
                # A window that is over, or a counter that nobody has begun, is nothing to compare.
                should = mirrored.get(key) if count is not None else None
                watched[key].see(should, count or 0, is_quiet=is_quiet)

    async def _settle(self, key: str, one: "_Watched", *, repair: bool) -> Drift:
        drift = Drift(one.tenant_id, "redis", one.quota_id, one.had, one.should)
        if not one.is_certain:
            return replace(drift, state="busy")
        if repair:
            await self._counters.add(key, one.should - one.had)
        return replace(drift, state=_state(repair=repair))


@dataclass(slots=True)
class _Watched:
    """A counter in Redis that is looked at until it is certain whether it has drifted."""

    tenant_id: str
    quota_id: str
    had: int = 0
    should: int = 0
    quiet_looks: int = 0

    @property
    def differs(self) -> bool:
        return self.had != self.should

    @property
    def is_certain(self) -> bool:
        return self.had < self.should or self.quiet_looks >= _QUIET_LOOKS

    def see(self, should: int | None, had: int, *, is_quiet: bool) -> None:
        if should is None:
            should = had
        same = (had, should) == (self.had, self.should)
        self.quiet_looks = self.quiet_looks + 1 if is_quiet and same else 0
        self.had, self.should = had, should


def _state(*, repair: bool) -> Literal["found", "repaired"]:
    return "repaired" if repair else "found"
