"""The hub by itself: what is told to whom, what is remembered, and who is too slow."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Message

from functions.kit.sse import EventStream
from functions.platform.core.live import LiveHub, Told, TooManyStreams, Watcher, frames


async def snapshot(tenant_id: str | None) -> Mapping[str, Any]:
    return {"kpis": {"tenantId": tenant_id}, "alerts": []}


def hub(*, most: int = 100, most_of_one: int = 100, epoch: str = "e", horizon: int = 0) -> LiveHub:
    made = LiveHub(snapshot, most=most, most_of_one=most_of_one)
    made.begin(epoch, horizon)
    return made


def told(sequence: int, tenant_id: str | None = "t") -> Told:
    return Told(sequence, tenant_id, {"n": sequence})


def waiting(watcher: Watcher) -> list[tuple[str, str, Any]]:
    found = []
    while not watcher.frames.empty():
        frame = watcher.frames.get_nowait()
        assert frame is not None
        event, id_, data = (line.partition(": ")[2] for line in frame.decode().strip().split("\n"))
        found.append((event, id_, json.loads(data).get("n")))
    return found


async def test_a_new_stream_begins_with_a_snapshot() -> None:
    live = hub(horizon=7)
    watcher = await live.open("t", None)
    live.tell(told(9))
    assert waiting(watcher) == [("snapshot", "e-7", None), ("alert", "e-9", 9)]


async def test_who_comes_back_is_told_what_was_missed() -> None:
    live = hub()
    for sequence, tenant_id in ((1, "t"), (2, "t"), (3, "other"), (4, None), (5, "t")):
        live.tell(told(sequence, tenant_id))
    assert waiting(await live.open("t", "e-1")) == [("alert", "e-2", 2), ("alert", "e-5", 5), ("kpis", "e-5", None)]
    assert [n for _, _, n in waiting(await live.open(None, "e-2"))] == [3, 4, 5, None]


@pytest.mark.parametrize(
    "last_id",
    ["e-2", "f-9", "9", "e-", "e-x", "e--3", "\N{SUPERSCRIPT TWO}", "e-\N{SUPERSCRIPT TWO}", "e-" + "9" * 5_000],
)
async def test_what_is_no_longer_remembered_is_told_anew(last_id: str) -> None:
    live = hub(horizon=3)
    live.tell(told(8))
    assert waiting(await live.open("t", last_id)) == [("reset", "e-8", None)]


async def test_an_id_ahead_of_this_process_misses_nothing_and_repeats_nothing() -> None:
    live = hub()
    live.tell(told(4))
    assert waiting(await live.open("t", "e-6")) == [("kpis", "e-4", None)]


async def test_only_so_much_is_remembered() -> None:
    live = hub()
    for sequence in range(1, 10_003):
        live.tell(told(sequence, "other"))
    assert [event for event, _, _ in waiting(await live.open("t", "e-1"))] == ["reset"]
    assert [event for event, _, _ in waiting(await live.open("t", "e-2"))] == ["kpis"]
    assert [event for event, _, _ in waiting(await live.open("other", "e-2"))] == ["reset"]


async def test_streams_are_bounded_and_given_back() -> None:
    live = hub(most=3, most_of_one=2)
    first = await live.open("t", None)
    await live.open("t", None)
    with pytest.raises(TooManyStreams) as refused:
        await live.open("t", None)
    assert (refused.value.status, refused.value.retry_after) == (429, 5)
    await live.open("other", None)
    with pytest.raises(TooManyStreams):
        await live.open("third", None)
    live.close(first)
    live.close(first)
    await live.open("third", None)


async def test_a_stream_that_cannot_begin_is_not_counted() -> None:
    async def away(_: str | None) -> Mapping[str, Any]:
        raise ConnectionError

    live = LiveHub(away, most=1, most_of_one=1)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await live.open("t", None)


async def test_a_reader_who_is_too_slow_is_dropped_while_it_is_sent_to() -> None:
    live = hub()
    watcher = await live.open("t", None)
    sent: list[bytes] = []
    blocked = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))
        if len(sent) == 3:
            blocked.set()
            await asyncio.Event().wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    stream = EventStream(
        frames(watcher, heartbeat=60, longest=60), on_close=lambda: live.close(watcher), until=watcher.dropped
    )
    serving = asyncio.create_task(stream({"type": "http"}, receive, send))
    await blocked.wait()
    for sequence in range(1, 300):
        live.tell(told(sequence))
    await serving
    assert b"snapshot" in sent[2]
    assert live.place == ("e", 299)


async def test_streams_end_when_the_process_does() -> None:
    live = hub()
    watcher = await live.open("t", None)
    live.end_all()
    assert [frame[:7] async for frame in frames(watcher, heartbeat=60, longest=60)] == [b"retry: ", b"event: "]


async def test_a_stream_lasts_only_so_long() -> None:
    watcher = Watcher("t")
    assert {frame async for frame in frames(watcher, heartbeat=0.01, longest=0.05)} == {
        b"retry: 2000\n\n",
        b": heartbeat\n\n",
    }


async def test_figures_that_cannot_be_read_once_are_pushed_the_next_time() -> None:
    read = asyncio.Event()
    troubles = [RuntimeError("no such table")]

    async def troubled(tenant_id: str | None) -> Mapping[str, Any]:
        if troubles and tenant_id == "bad":
            read.set()
            raise troubles.pop()
        return await snapshot(tenant_id)

    live = LiveHub(troubled, most=100, most_of_one=100)
    live.begin("e", 0)
    watcher = await live.open("t", None)
    troubled_one = Watcher("bad")
    live._watchers.add(troubled_one)
    live._of["bad"] += 1
    running = asyncio.create_task(live.run())
    try:
        live.touch("bad")
        await read.wait()
        waiting(watcher)
        live.touch("t")
        assert await watcher.frames.get()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
