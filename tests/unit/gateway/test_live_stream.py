"""A provider's stream that ends in odd ways: whoever listens is told, and it is counted."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from functions.gateway.core import live_stream
from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.live_stream import LiveStream
from functions.gateway.core.streaming import Assembler
from functions.kit.errors import DependencyUnavailable, Internal

running: set[asyncio.Task[None]] = set()
HELLO = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}


class Settling:
    """Counts, or cannot; `gate` holds it up."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.counted: list[str] = []

    async def __call__(self, _: Assembler, status: str) -> None:
        self.begun.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.counted.append(status)


def spawn(work: Coroutine[Any, Any, None], name: str) -> None:
    running.add(asyncio.create_task(work, name=name))


def streaming(settle: Settling, *items: Any, forever: bool = False) -> LiveStream:
    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[Any]]:
        async def said() -> AsyncIterator[Any]:
            for item in items:
                yield item
            if forever:
                await asyncio.Event().wait()

        yield said()

    async def give_back(_: object) -> None:
        raise AssertionError("it was accepted")

    return LiveStream(opened, None, settle, give_back, spawn)


async def test_what_cannot_be_counted_ends_all_the_same() -> None:
    settle = Settling(OSError("the disk is full"))
    settle.gate.set()
    stream = streaming(settle, HELLO)
    ended: list[bool] = []
    stream.when_ended(lambda: ended.append(True))
    with pytest.raises(OSError, match="full"):
        await stream.run()
    heard = stream.chunks()
    assert await anext(heard) == HELLO
    with pytest.raises(Internal):
        await anext(heard)
    await asyncio.sleep(0)
    assert ended == [True]


async def test_a_chunk_of_no_form_is_an_error_and_no_end() -> None:
    settle = Settling()
    settle.gate.set()
    stream = streaming(settle, HELLO, {"choices": [None]})
    await stream.run()
    heard = stream.chunks()
    assert await anext(heard) == HELLO
    with pytest.raises(ProviderBadResponse):
        await anext(heard)
    assert settle.counted == ["error"]


async def test_leaving_while_it_is_counted_breaks_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "DRAIN_SECONDS", 0.0)
    settle = Settling()
    stream = streaming(settle, HELLO)
    await stream.start()
    await settle.begun.wait()
    stream.abandon()
    for _ in range(5):
        await asyncio.sleep(0)
    settle.gate.set()
    await stream.usage()
    assert settle.counted == ["ok"]


async def test_what_is_broken_off_is_not_taken_for_whole_by_who_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "DRAIN_SECONDS", 0.0)
    settle = Settling()
    stream = streaming(settle, HELLO, forever=True)
    await stream.start()
    stream.abandon()
    await settle.begun.wait()
    stream.join()
    settle.gate.set()
    heard = stream.chunks()
    assert await anext(heard) == HELLO
    with pytest.raises(DependencyUnavailable):
        await anext(heard)
    assert settle.counted == ["cancelled"]
