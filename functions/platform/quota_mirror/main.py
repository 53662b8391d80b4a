"""On quota.updated: metered calls into the ledger, each once."""

from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import QuotaUpdated
from functions.platform.wiring import Platform, platform


async def mirror(use: Platform, event: Event) -> None:
    """Enter the records that are new."""
    update = read(QuotaUpdated, event)
    await use.mirror_usage(update)
    await use.note_key_use(update.tenant_id, update.records)


handle = event_function(platform, name="platform-quota-mirror")(mirror)
