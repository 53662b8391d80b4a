"""Work that never ends is started again."""

import asyncio
import logging

import pytest

from stateful.nats.loops import cancel, keep_running, side_by_side


async def test_failing_and_returning_work_is_run_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 4:
            enough.set()
        if runs % 2:
            raise ValueError("broken")

    caplog.set_level(logging.WARNING)
    task = asyncio.create_task(keep_running("the test", work, longest_pause=0.01))
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "the test failed, tried again" in caplog.text


async def test_work_that_loses_a_cancellation_is_told_again_however_often_its_owner_is() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def deaf(name: str, times: int) -> None:
        try:
            while True:
                try:
                    begun.set()
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    # As `asyncio.wait_for` does before Python 3.12, now and then.
                    times -= 1
                    if times < 0:
                        raise
        finally:
            ended.append(name)

    owner = asyncio.create_task(side_by_side(deaf("once", 1), deaf("thrice", 3), deaf("never", 0)))
    await begun.wait()
    await cancel([owner])
    assert sorted(ended) == ["never", "once", "thrice"]
    assert owner.cancelled()
