"""Every five minutes: providers with an alert are looked at again, and what is no longer needed is forgotten."""

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.platform.wiring_upkeep import ByTheClock, by_the_clock


async def keep_up(use: ByTheClock, _: Event) -> None:
    """Do it now, however late it is."""
    await use.upkeep()


handle = event_function(by_the_clock, name="platform-upkeep")(keep_up)
