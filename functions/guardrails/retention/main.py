"""Every night: what guardrails found too long ago is forgotten."""

from collections.abc import Awaitable, Callable

from functions.guardrails.wiring import retention
from functions.kit.eventing import event_function
from functions.kit.events import Event


async def forget(delete_old: Callable[[], Awaitable[int]], _: Event) -> None:
    """Forget them now, however late it is."""
    await delete_old()


handle = event_function(retention, name="guardrails-retention", database=None)(forget)
