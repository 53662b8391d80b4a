"""On user.updated and account.ended: the sessions of those who may not call any more end."""

from pydantic import ValidationError

from functions.kit.errors import UnreadableEvent
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import AccountEnded, UserUpdated
from functions.platform.wiring_lifecycle import Lifecycle, lifecycle


async def end_sessions(use: Lifecycle, event: Event) -> None:
    """End them; the dispatcher comes again while Redis is away."""
    try:
        if event.type == AccountEnded.subject:
            await use.end_sessions.of_account(AccountEnded.model_validate(event.data))
        else:
            await use.end_sessions.of_user(UserUpdated.model_validate(event.data))
    except ValidationError as error:
        raise UnreadableEvent(f"{event.type}: {error.error_count()} fields are wrong") from error


handle = event_function(lifecycle, name="platform-session-ender")(end_sessions)
