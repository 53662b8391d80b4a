"""Waiting for what must come true."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], bool | Awaitable[bool]], *, seconds: float = 8.0, what: str = "") -> None:
    """Poll until `holds`; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        result = holds()
        if await result if inspect.isawaitable(result) else result:
            return
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or inspect.getsource(holds).strip()}"
        await asyncio.sleep(0.01)
