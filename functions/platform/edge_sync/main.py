"""On every event about tenants, their users, keys and limits: tenants to the edge."""

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.platform.wiring import Platform, platform


async def sync(use: Platform, _: Event) -> None:
    """Tell the edge of all tenants there are now: what the event says of one may be old."""
    await use.sync_edge()


handle = event_function(platform, name="platform-edge-sync")(sync)
