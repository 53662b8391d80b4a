"""On quota.updated: metered calls into the ledger, each once."""

from pydantic import ValidationError

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import QuotaUpdated
from functions.platform.core.errors import UnreadableEvent
from functions.platform.wiring import Platform, platform


async def mirror(use: Platform, event: Event) -> None:
    """Enter the records that are new."""
    try:
        update = QuotaUpdated.model_validate(event.data)
    except ValidationError as error:
        raise UnreadableEvent(f"quota.updated: {error.error_count()} fields are wrong") from error
    await use.mirror_usage(update)
    await use.note_key_use(update.tenant_id, update.records)


handle = event_function(platform, name="platform-quota-mirror")(mirror)
