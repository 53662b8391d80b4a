"""On audit.recorded: the record of a change in a tenant's database onto its chain, once."""

from pydantic import ValidationError

from functions.kit.errors import UnreadableEvent
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import AuditRecorded
from functions.platform.audit.wiring import Audit, audit_intake


async def append(use: Audit, event: Event) -> None:
    """Append it."""
    try:
        recorded = AuditRecorded.model_validate(event.data)
    except ValidationError as error:
        raise UnreadableEvent(f"audit.recorded: {error.error_count()} fields are wrong") from error
    await use.records.append(recorded.chain, recorded.record)


handle = event_function(audit_intake, name="platform-audit-intake")(append)
