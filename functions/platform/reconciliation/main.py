"""Every night: counts are compared with the ledger and repaired, and operators told of what differed."""

from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import ScheduleDue
from functions.platform.wiring_upkeep import ByTheClock, by_the_clock


async def reconcile(use: ByTheClock, event: Event) -> None:
    """Compare since the beginning of the month of the day before."""
    await use.reconcile(read(ScheduleDue, event).due)


handle = event_function(by_the_clock, name="platform-reconciliation")(reconcile)
