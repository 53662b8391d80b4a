"""Work that never ends: started again after a failure, more slowly the more often it fails."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

_logger = logging.getLogger("dcoder.events.loops")
_STEADY_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 0.2


async def keep_running(name: str, work: Callable[[], Awaitable[None]], *, longest_pause: float = 5.0) -> None:
    """Run `work` until cancelled; when it fails or returns, run it again after a pause that doubles from 0.1 s.

    Args:
        longest_pause: seconds after which the pause grows no more.
    """
    failures = 0
    while True:
        began = time.monotonic()
        try:
            await work()
            failures = 0
        except Exception as error:
            failures = 1 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
            # The reason in full once; an outage that lasts needs no second traceback.
            _logger.warning(
                "%s failed, tried again",
                name,
                extra={"failures": failures, "reason": f"{type(error).__name__}: {error}"},
                exc_info=error if failures == 1 else None,
            )
        await asyncio.sleep(min(longest_pause, 0.1 * 2 ** min(failures, 16)) * random.uniform(0.5, 1.0))  # noqa: S311


async def side_by_side(*work: Coroutine[Any, Any, None]) -> None:
    """Run work that never ends until cancelled.

    Not a `TaskGroup`, which tells its tasks once: one that loses it (see `cancel`) would run on, and whoever waits for
    the group would wait for ever.
    """
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks)
    finally:
        await cancel(tasks)


async def cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """End tasks and wait until they have ended, also when told to end meanwhile.

    `asyncio.wait_for` before Python 3.12 loses a cancellation that comes together with the result it waits for, so a
    task may have to be told more than once.
    """
    waiting, told = set(tasks), False
    while waiting:
        for task in waiting:
            task.cancel()
        try:
            _, waiting = await asyncio.wait(waiting, timeout=_ASK_AGAIN_SECONDS)
        except asyncio.CancelledError:
            told = True
            waiting = {task for task in waiting if not task.done()}
    if told:
        raise asyncio.CancelledError
