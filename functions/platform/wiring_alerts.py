"""The composition root of alerts; all they do is done within the unit of work of the request or the event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.runtime import Runtime
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_alerts import PostgresAlerts, PostgresProviderCalls
from functions.platform.adapters.postgres_users import PostgresUsers
from functions.platform.core.alerts import HandleAlerts, RaiseAlerts, ReadAlerts
from functions.platform.core.watch_providers import WatchProviders


@dataclass(frozen=True, slots=True)
class Alerting:
    """The use cases."""

    read: ReadAlerts
    handle: HandleAlerts
    raise_: RaiseAlerts
    watch_providers: WatchProviders


@asynccontextmanager
async def alerting(_: Runtime) -> AsyncIterator[Alerting]:
    """Wire them."""
    alerts, events = PostgresAlerts(), OutboxEvents()
    raise_alerts = RaiseAlerts(alerts, events)
    yield Alerting(
        read=ReadAlerts(alerts),
        handle=HandleAlerts(alerts, PostgresUsers(), events),
        raise_=raise_alerts,
        watch_providers=WatchProviders(PostgresProviderCalls(), raise_alerts),
    )
