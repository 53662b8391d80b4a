"""Tells those who would never finish by themselves that the process was asked to stop."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: dict[object, Callable[[], None]] = {}


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
    for tell in list(_listeners.values()):
        tell()


def _call(loop: asyncio.AbstractEventLoop, listener: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(listener)
