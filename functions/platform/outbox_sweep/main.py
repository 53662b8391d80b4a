"""Every 15 minutes: the relay is told of events that stay in an outbox, and operators when that does not help."""

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.platform.wiring_sweeps import Sweeps, sweeps


async def sweep(use: Sweeps, _: Event) -> None:
    """Do it now, however late it is."""
    await use.outboxes()


handle = event_function(sweeps, name="platform-outbox-sweep", database=None)(sweep)
