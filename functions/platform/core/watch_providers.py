"""Watches how often tenants' calls to their providers fail: an alert while they do, taken back afterwards."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from functions.kit.clock import utc_now
from functions.kit.subjects import UsageRecord
from functions.platform.core.alerts import Condition, RaiseAlerts

WINDOW = timedelta(minutes=5)
# An alert is raised by so many failures in the window, if they are so large a part (per cent) of the calls, and taken
# back below the other part: in between nothing changes, so that it does not flicker.
LEAST_ERRORS = 5
RAISED_FROM = 50
RECOVERED_BELOW = 25
# Without a single call nobody knows; after so long nobody waits for it either.
_QUIET = timedelta(minutes=30)
_KEPT = timedelta(hours=1)
_PREFIX = "provider:"


class Tally(NamedTuple):
    """Calls that a provider answered or failed."""

    calls: int
    errors: int

    def is_failing(self) -> bool:
        """Whether that is a reason for an alert."""
        return self.errors >= LEAST_ERRORS and self.errors * 100 >= self.calls * RAISED_FROM

    def has_recovered(self) -> bool:
        """Whether it is a reason to take one back."""
        return self.calls > 0 and self.errors * 100 < self.calls * RECOVERED_BELOW


class Calls(NamedTuple):
    """A tenant's provider that an alert is about."""

    tenant_id: str
    provider: str
    last_seen_at: datetime


class ProviderCalls(Protocol):
    """Calls to providers by the minute, within the unit of work."""

    async def add(self, tenant_id: str, calls: Mapping[tuple[str, datetime], Tally]) -> None:
        """Count calls by provider and minute."""
        ...

    async def since(self, tenant_id: str, providers: Sequence[str], start: datetime) -> Mapping[str, Tally]:
        """What was counted from a minute on, by provider; none that was not called."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget the minutes before a moment."""
        ...

    async def troubled(self, prefix: str) -> Sequence[Calls]:
        """The providers about which an alert is not resolved, by the beginning of its key."""
        ...


class WatchProviders:
    """Counts metered calls and judges their providers by the last minutes."""

    def __init__(self, calls: ProviderCalls, raise_alerts: RaiseAlerts) -> None:
        self._calls = calls
        self._raise = raise_alerts

    async def __call__(self, tenant_id: str, records: Iterable[UsageRecord]) -> None:
        """Count calls that went to a provider, and raise or take back the alerts about those that they went to."""
        counted = _counted(records)
        if counted:
            await self._calls.add(tenant_id, counted)
            await self._judge(tenant_id, sorted({provider for provider, _ in counted}))

    async def sweep(self) -> None:
        """Look again at what alerts are about, called or not, and forget old minutes."""
        now = utc_now()
        await self._calls.forget(now - _KEPT)
        for found in await self._calls.troubled(_PREFIX):
            if not await self._judge(found.tenant_id, [found.provider]) and found.last_seen_at < now - _QUIET:
                await self._raise.recover(found.tenant_id, _key(found.provider), "not called for half an hour")

    async def _judge(self, tenant_id: str, providers: Sequence[str]) -> bool:
        """Whether any of them was called in the window."""
        now = utc_now()
        tallies = await self._calls.since(tenant_id, providers, now - WINDOW)
        for provider, tally in tallies.items():
            if tally.has_recovered():
                await self._raise.recover(tenant_id, _key(provider), "calls succeed again")
        failing = {provider: tally for provider, tally in tallies.items() if tally.is_failing()}
        await self._raise([_condition(tenant_id, provider, tally, now) for provider, tally in failing.items()])
        return bool(tallies)


def _counted(records: Iterable[UsageRecord]) -> Mapping[tuple[str, datetime], Tally]:
    """Calls that a provider answered or failed, by provider and minute. Who left, or died, says nothing of it."""
    sums: dict[tuple[str, datetime], Tally] = defaultdict(lambda: Tally(0, 0))
    oldest = utc_now() - _KEPT
    for record in records:
        if record.cached == "miss" and record.status in {"ok", "error"} and record.at >= oldest:
            slot = (record.provider, record.at.replace(second=0, microsecond=0))
            sums[slot] = Tally(sums[slot].calls + 1, sums[slot].errors + (record.status == "error"))
    return dict(sums)


def _condition(tenant_id: str, provider: str, tally: Tally, now: datetime) -> Condition:
    share = tally.errors * 100 // tally.calls
    return Condition(
        tenant_id=tenant_id,
        kind="provider",
        severity="critical" if share >= 90 else "warning",
        key=_key(provider),
        title=f"{share} % of the calls to {provider} fail",
        at=now,
        details={
            "provider": provider,
            "calls": tally.calls,
            "errors": tally.errors,
            "windowSeconds": int(WINDOW.total_seconds()),
        },
    )


def _key(provider: str) -> str:
    return f"{_PREFIX}{provider}"
