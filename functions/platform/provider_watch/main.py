"""On quota.updated: alerts about providers that fail, and their end."""

from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import QuotaUpdated
from functions.platform.core.usage import storable
from functions.platform.wiring_alerts import Alerting, alerting


async def watch(use: Alerting, event: Event) -> None:
    """Count the calls, and judge their providers."""
    update = read(QuotaUpdated, event)
    await use.watch_providers(update.tenant_id, [storable(record, update.tenant_id) for record in update.records])


handle = event_function(alerting, name="platform-provider-watch")(watch)
