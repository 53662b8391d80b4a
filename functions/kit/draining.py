"""Tells those who would never finish by themselves that the process was asked to stop."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: dict[object, Callable[[], None]] = {}
_began: float | None = None


@contextmanager
def on_drain(listener: Callable[[], None]) -> Iterator[None]:
    """Call `listener`, in the running loop, when the process is told to stop within the block."""
    loop, key = asyncio.get_running_loop(), object()
    _listeners[key] = lambda: _call(loop, listener)
    try:
        yield
    finally:
        del _listeners[key]


def begin() -> None:
    """The process was told to stop; safe in a signal's handler."""
    global _began  # noqa: PLW0603 - a process is told once
    _began = _began or time.monotonic()
    for tell in list(_listeners.values()):
        tell()


def seconds_left(most: float) -> float:
    """Of the seconds that a process may take to stop, those left; all of them where it was not told to.

    What is done one after another on the way out shares them: whoever told it waits no longer before he kills it.
    """
    return most if _began is None else max(0.0, _began + most - time.monotonic())


def _call(loop: asyncio.AbstractEventLoop, listener: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(listener)
