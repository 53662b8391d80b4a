"""The cache that asks again when old and answers from memory while the source is away."""

import asyncio

import pytest

from functions.kit.errors import DependencyUnavailable
from functions.kit.stale_cache import StaleCache


class Source:
    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, key: str) -> str:
        self.asked += 1
        await self.gate.wait()
        if self.away:
            raise DependencyUnavailable("away")
        return f"{key}{self.asked}"


async def still_waiting(cache: StaleCache[str, str], key: str) -> "asyncio.Task[str]":
    """Somebody who asks and gets no answer yet."""
    waiting = asyncio.create_task(cache.get(key))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


async def test_a_fresh_value_is_not_asked_for_again() -> None:
    source = Source()
    cache = StaleCache(source.load, fresh=60)
    assert [await cache.get("a"), await cache.get("a")] == ["a1", "a1"]


async def test_many_who_ask_at_once_are_one_question() -> None:
    source = Source()
    source.gate.clear()
    cache = StaleCache(source.load, fresh=60)
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    source.gate.set()
    assert set(await asyncio.gather(*waiting[1:])) == {"a1"}
    assert source.asked == 1


async def test_what_is_known_serves_while_the_source_is_away() -> None:
    source = Source()
    cache = StaleCache(source.load, fresh=0, stale=60)
    await cache.get("a")
    source.away = True
    assert await cache.get("a") == "a1"
    with pytest.raises(DependencyUnavailable):
        await cache.get("b")
    source.away = False
    assert await cache.get("a") == "a4"


async def test_what_is_known_serves_while_the_source_hangs_and_is_new_when_it_answers() -> None:
    source = Source()
    cache = StaleCache(source.load, fresh=0, stale=60, patience=0)
    await cache.get("a")
    source.gate.clear()
    assert [await cache.get("a"), await cache.get("a")] == ["a1", "a1"]
    assert source.asked == 2
    unknown = await still_waiting(cache, "b")
    source.gate.set()
    assert await unknown == "b3"
    source.gate.clear()
    # What was being asked for has come meanwhile.
    assert await cache.get("a") == "a3"
    source.gate.set()


async def test_what_is_said_to_have_changed_is_waited_for() -> None:
    source = Source()
    cache = StaleCache(source.load, fresh=60, stale=600, patience=0)
    await cache.get("a")
    cache.forget("a")
    source.gate.clear()
    waiting = await still_waiting(cache, "a")
    source.gate.set()
    assert await waiting == "a2"


async def test_a_forgotten_value_is_asked_for_again_and_kept_for_bad_times() -> None:
    source = Source()
    cache = StaleCache(source.load, fresh=60, stale=600)
    await cache.get("a")
    cache.forget("a")
    source.away = True
    assert await cache.get("a") == "a1"
    source.away = False
    assert await cache.get("a") == "a3"


@pytest.mark.parametrize("everything", [False, True])
async def test_a_value_that_was_being_asked_for_when_it_changed_is_asked_for_again(everything: bool) -> None:
    source = Source()
    source.gate.clear()
    cache = StaleCache(source.load, fresh=60)
    waiting = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    if everything:
        cache.forget_all()
    else:
        cache.forget("a")
    source.gate.set()
    await waiting
    assert await cache.get("a") == "a2"
    assert await cache.get("a") == "a2"


async def test_the_least_used_are_dropped() -> None:
    source = Source()
    cache = StaleCache(source.load, fresh=60, size=2)
    for key in "abc":
        await cache.get(key)
    assert source.asked == 3
    await cache.get("c")
    assert source.asked == 3
    await cache.get("a")
    assert source.asked == 4
