"""Of what is told by an outbox, and so is true, work for the background workers is made."""

from functions.integrations.core.ports import Queue
from functions.integrations.wiring_background import queue
from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import McpRequested


async def enqueue(use: Queue, event: Event) -> None:
    """Have the document read. Told twice it is read twice, of which the first counts."""
    asked = read(McpRequested, event)
    await use.read_document(asked.tenant_id, asked.name, asked.requested_at)


handle = event_function(queue, name="integrations-enqueue", database=None)(enqueue)
