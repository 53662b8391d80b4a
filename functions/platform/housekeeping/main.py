"""Every night: rows that nobody needs any more are deleted, in the platform's database and every tenant's."""

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.platform.wiring_sweeps import Sweeps, sweeps


async def keep_house(use: Sweeps, _: Event) -> None:
    """Do it now, however late it is."""
    await use.housekeeping()


handle = event_function(sweeps, name="platform-housekeeping", database=None)(keep_house)
