"""On flag.updated: who registered an address is told."""

from pydantic import ValidationError

from functions.kit.errors import UnreadableEvent
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import FlagUpdated
from functions.platform.wiring_flags import FlagPlatform, flag_platform


async def tell(use: FlagPlatform, event: Event) -> None:
    """Send one webhook; the dispatcher comes again when the receiver does not take it."""
    try:
        update = FlagUpdated.model_validate(event.data)
    except ValidationError as error:
        raise UnreadableEvent(f"flag.updated: {error.error_count()} fields are wrong") from error
    await use.send_webhook(update, event_id=event.id, at=event.time)


handle = event_function(flag_platform, name="platform-flag-webhooks")(tell)
