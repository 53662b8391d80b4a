"""The composition root of the live streams: one hub for the process, fed by one consumer and one listener."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from functions.kit.database import Databases, UnitOfWork
from functions.kit.draining import on_drain
from functions.kit.runtime import Runtime
from functions.platform.adapters.live_nats import AlertLog
from functions.platform.adapters.live_postgres import KpiChanges
from functions.platform.adapters.postgres_alerts import PostgresAlerts
from functions.platform.adapters.postgres_kpis import PostgresKpis
from functions.platform.core.alerts import AlertFilter, ReadAlerts
from functions.platform.core.kpis import ReadKpis
from functions.platform.core.live import LiveHub
from functions.platform.live.schemas import LiveKpis, LivePlatformKpis

_CANCEL_SECONDS = 0.2
_ALERTS_SHOWN = 100


@asynccontextmanager
async def live(runtime: Runtime) -> AsyncIterator[LiveHub]:
    """Wire the hub; everything it listens to ends with the block."""
    settings = runtime.settings
    hub = LiveHub(_Snapshots(runtime.databases), most=settings.live_streams, most_of_one=settings.live_streams_of_one)
    log = AlertLog(settings.nats_url.get_secret_value(), hub)
    changes = KpiChanges(settings.database_url.get_secret_value(), hub)
    tasks = [
        asyncio.create_task(work.run(), name=name, context=Context())
        for name, work in (("live-hub", hub), ("live-alerts", log), ("live-kpis", changes))
    ]
    try:
        with on_drain(hub.end_all):
            yield hub
    finally:
        hub.end_all()
        # A cancellation may be lost where it comes together with what is waited for: told more than once.
        waiting = set(tasks)
        while waiting:
            for task in waiting:
                task.cancel()
            _, waiting = await asyncio.wait(waiting, timeout=_CANCEL_SECONDS)


class _Snapshots:
    """What a stream begins with, each read in a unit of work of its own."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._kpis = ReadKpis(PostgresKpis())
        self._alerts = ReadAlerts(PostgresAlerts())

    async def __call__(self, tenant_id: str | None) -> Mapping[str, Any]:
        """Key figures of the last 24 hours, and the newest of the alerts that are not resolved."""
        wanted = AlertFilter(statuses=("open", "acknowledged"), tenant_id=tenant_id)
        async with UnitOfWork(self._databases):
            kpis = await self._of(tenant_id)
            alerts = await self._alerts.page(wanted, _ALERTS_SHOWN, None)
        return {
            "kpis": kpis.model_dump(mode="json", by_alias=True),
            "alerts": [alert.model_dump(mode="json", by_alias=True) for alert in alerts.items],
        }

    async def _of(self, tenant_id: str | None) -> LiveKpis | LivePlatformKpis:
        if tenant_id is not None:
            return LiveKpis.of_kpis(await self._kpis.of_tenant(tenant_id))
        return LivePlatformKpis.of_kpis(await self._kpis.of_platform(limit=0, cursor=None))
