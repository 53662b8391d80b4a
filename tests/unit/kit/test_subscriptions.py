"""Subscriptions to the event bus while there is none."""

import asyncio
import socket

import nats
import pytest

from functions.kit.subscriptions import Subscriptions

# With the client at hand it is connecting from the first step on.
assert nats


@pytest.mark.parametrize("steps", range(25))
async def test_it_ends_when_cancelled_at_whichever_step_of_connecting(steps: int) -> None:
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        running = asyncio.create_task(Subscriptions(f"nats://127.0.0.1:{refusing.getsockname()[1]}").run())
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        _, late = await asyncio.wait({running}, timeout=5)
    assert not late
    assert running.cancelled()
