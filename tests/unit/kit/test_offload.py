"""Work in processes of one's own: done, failed, hung, died; the next piece is not harmed by it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from functions.kit.offload import Offload, Unfinished

TARGET = "tests.unit.kit.offloaded:work"


@pytest_asyncio.fixture
async def offload() -> AsyncIterator[Offload]:
    made = Offload(TARGET, seconds=20, waiting=1)
    yield made
    await made.close()


async def test_work_is_done_in_turn_by_one_process(offload: Offload) -> None:
    assert await offload.run(b"abc") == b"cba"
    assert await offload.run(b"x" * 3_000_000 + b"y") == b"y" + b"x" * 3_000_000
    assert list(await asyncio.gather(offload.run(b"12"), offload.run(b"34"))) == [b"21", b"43"]
    assert await offload.run(b"print") == b"tnirp"


async def test_work_that_fails_is_told_without_its_words(offload: Offload) -> None:
    with pytest.raises(Unfinished, match="ValueError") as caught:
        await offload.run(b"fail")
    assert "secret" not in str(caught.value)
    assert await offload.run(b"ab") == b"ba"


async def test_a_process_that_dies_is_replaced(offload: Offload) -> None:
    with pytest.raises(Unfinished):
        await offload.run(b"die")
    assert await offload.run(b"ab") == b"ba"


async def test_work_that_never_ends_is_ended() -> None:
    offload = Offload(TARGET, seconds=0.2)
    with pytest.raises(Unfinished):
        await offload.run(b"hang")
    assert await offload.run(b"ab") == b"ba"
    await offload.close()
    with pytest.raises(Unfinished):
        await offload.run(b"ab")


async def test_more_than_may_wait_is_refused_at_once(offload: Offload) -> None:
    results = await asyncio.gather(*(offload.run(b"ab") for _ in range(5)), return_exceptions=True)
    assert [result for result in results if isinstance(result, bytes)] == [b"ba", b"ba"]
    assert sum(isinstance(result, Unfinished) for result in results) == 3


async def test_whoever_gives_up_harms_nobody(offload: Offload) -> None:
    assert await offload.run(b"ab") == b"ba"
    asking = asyncio.ensure_future(offload.run(b"hang"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await offload.run(b"ab") == b"ba"
