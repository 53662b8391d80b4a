"""Documents that take long keep those of their own tenant waiting and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from functions.knowledge.adapters.parsing.places import Places

_NEVER = 3600.0


class Reading:
    """Documents being read, each until it is told to end."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    async def __call__(self, name: str) -> None:
        self.ends[name] = asyncio.Event()
        async with self.places.place(name[0]):
            self.begun.append(name)
            await self.ends[name].wait()


async def until_settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def reading(
    count: int, slow_seconds: float, *names: str
) -> AsyncIterator[tuple[Reading, list[asyncio.Task[None]]]]:
    read = Reading(Places(count, slow_seconds))
    async with AsyncExitStack() as stack:
        tasks = []
        for name in names:
            tasks.append(asyncio.create_task(read(name)))
            stack.callback(tasks[-1].cancel)
        await until_settled()
        yield read, tasks


async def test_places_are_lent_in_turn() -> None:
    async with reading(2, _NEVER, "a1", "a2", "a3", "b1") as (read, _):
        assert read.begun == ["a1", "a2"]
        read.ends["a2"].set()
        await until_settled()
        assert read.begun == ["a1", "a2", "a3"]


async def test_slow_documents_of_a_tenant_keep_only_its_own_waiting() -> None:
    async with reading(2, 0.0, "a1", "a2") as (read, tasks):
        await until_settled()
        assert read.places._slow["a"] == 2
        async with asyncio.TaskGroup() as more:
            for name in ("a3", "b1", "b2"):
                more.create_task(read(name))
            await until_settled()
            assert read.begun == ["a1", "a2", "b1", "b2"]
            read.ends["a1"].set()
            await tasks[0]
            await until_settled()
            assert "a3" in read.begun
            for end in read.ends.values():
                end.set()


async def test_no_more_than_three_times_as_many_are_read_at_once() -> None:
    names = [f"{tenant}{number}" for tenant in "abcdef" for number in range(2)]
    async with reading(2, 0.0, *names) as (read, _):
        await until_settled()
        assert read.begun == names[:6]


async def test_whoever_leaves_while_waiting_or_just_served_takes_no_place_along() -> None:
    read = Reading(Places(1, _NEVER))
    async with read.places.place("a"):
        waiting, served = asyncio.create_task(read("a1")), asyncio.create_task(read("a2"))
        await until_settled()
        waiting.cancel()
        await until_settled()
    # The place is lent to a2, which has not noticed yet.
    served.cancel()
    async with read.places.place("b"):
        assert read.begun == []
