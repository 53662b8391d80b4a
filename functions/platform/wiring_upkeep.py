"""The composition root of what is done by the clock: keeping the books equal, forgetting what is not needed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio

from functions.kit.database import Databases
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_alerts import PostgresAlerts, PostgresProviderCalls
from functions.platform.adapters.postgres_kpis import PostgresKpis
from functions.platform.adapters.postgres_ledger import PostgresLedger
from functions.platform.adapters.redis_counters import RedisCounters
from functions.platform.core.alerts import RaiseAlerts
from functions.platform.core.reconcile_quotas import ReconcileQuotas
from functions.platform.core.upkeep import NightlyReconciliation, Upkeep
from functions.platform.core.watch_providers import WatchProviders

# Sums over a busy tenant's month take longer than a request may.
_STATEMENT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ByTheClock:
    """The use cases."""

    upkeep: Upkeep
    reconcile: NightlyReconciliation


@asynccontextmanager
async def by_the_clock(runtime: Runtime) -> AsyncIterator[ByTheClock]:
    """Wire them."""
    raise_alerts = RaiseAlerts(PostgresAlerts(), OutboxEvents())
    async with reconciling(runtime.settings) as reconcile:
        yield ByTheClock(
            Upkeep(WatchProviders(PostgresProviderCalls(), raise_alerts), PostgresKpis()),
            NightlyReconciliation(reconcile, raise_alerts),
        )


@asynccontextmanager
async def reconciling(settings: Settings, *, patience: float = 30.0) -> AsyncIterator[ReconcileQuotas]:
    """The reconciliation on the platform's own Postgres and Redis."""
    databases = Databases(settings.database_url.get_secret_value(), pool_size=2, pools=1, timeout=_STATEMENT_SECONDS)
    client = redis.asyncio.Redis.from_url(
        settings.redis_url.get_secret_value(), protocol=2, socket_timeout=10, socket_connect_timeout=5
    )
    try:
        yield ReconcileQuotas(PostgresLedger(databases), RedisCounters(client), patience=patience)
    finally:
        await client.aclose()
        await databases.close()
