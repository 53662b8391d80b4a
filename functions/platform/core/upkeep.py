"""What is done by the clock."""

from datetime import datetime, timedelta
from typing import Protocol

from functions.kit.clock import utc_now
from functions.platform.core.alerts import Condition, RaiseAlerts
from functions.platform.core.reconcile_quotas import ReconcileQuotas
from functions.platform.core.watch_providers import WatchProviders

_KEY = "system:drift"
_SHOWN = 20


class FinelyKept(Protocol):
    """Figures that are kept finely for a while only."""

    async def forget(self, now: datetime) -> None:
        """Forget minutes and hours that are older than that."""
        ...


class Upkeep:
    """Every five minutes: looks again at providers with an alert, and forgets what is no longer needed."""

    def __init__(self, providers: WatchProviders, kpis: FinelyKept) -> None:
        self._providers = providers
        self._kpis = kpis

    async def __call__(self) -> None:
        """Do it now; sound to repeat."""
        await self._providers.sweep()
        await self._kpis.forget(utc_now())


class NightlyReconciliation:
    """Every night: compares and repairs the books since the month began, and tells operators what was wrong."""

    def __init__(self, reconcile: ReconcileQuotas, raise_alerts: RaiseAlerts) -> None:
        self._reconcile = reconcile
        self._raise = raise_alerts

    async def __call__(self, due: datetime) -> None:
        """Do it now; sound to repeat.

        Args:
            due: when it should have been done.
        """
        # The day before: on the first of a month the one that has ended is compared once more.
        since = (due - timedelta(days=1)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        report = await self._reconcile(since, repair=True)
        if not report.drifts:
            await self._raise.recover(None, _KEY, "the books are equal")
            return
        left = sum(drift.state != "repaired" for drift in report.drifts)
        condition = Condition(
            tenant_id=None,
            kind="system",
            severity="critical" if left else "warning",
            key=_KEY,
            title=f"{len(report.drifts)} counts were not the ledger's, {left} still are not",
            at=utc_now(),
            details={
                "condition": "drift",
                "tenants": report.tenants,
                "drifts": [
                    {"tenantId": d.tenant_id, "what": d.what, "name": d.name, "had": d.had, "should": d.should,
                     "state": d.state}
                    for d in report.drifts[:_SHOWN]
                ],
            },
        )  # fmt: skip
        await self._raise([condition])
