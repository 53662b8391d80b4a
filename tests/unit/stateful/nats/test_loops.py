"""Work that never ends is started again."""

import asyncio
import logging

import pytest

from stateful.nats.loops import keep_running


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
