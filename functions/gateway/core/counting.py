"""When a call is counted: sent ahead of its answer, and as failed where a provider ends it with nothing to count."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from functions.gateway.core.call import Call
from functions.gateway.core.errors import begun_before
from functions.gateway.core.usage import Counting, UsageBook
from functions.kit.errors import DcoderError

Work = Coroutine[Any, Any, None]
# Calls whose counting is not known to be done; beyond them the next is counted before it is answered.
_MOST_BEHIND = 1_000


class CountedBehind:
    """Learns behind calls' answers that they are counted (docs/adr/0040).

    Args:
        spawn: runs work in the background, owned by the process.
    """

    def __init__(self, usage: UsageBook, spawn: Callable[[Work, str], None]) -> None:
        self._usage = usage
        self._spawn = spawn
        self._under_way = 0

    async def behind(self, counting: Counting, keeping: Work | None, *, soon: bool) -> None:
        """Finish counting a call, and keep its answer: whoever waits for the answer need not wait for either.

        He waits until it is counted where it could not be sent to the books, and is in a file then; or where many
        are behind already. Should he leave meanwhile, it is counted all the same.

        Args:
            soon: keeping waits for nothing but the store.

        Raises:
            DependencyUnavailable: it could be sent nowhere, and not be written to a file either.
        """
        counted = None
        if not counting.is_sent or self._under_way >= _MOST_BEHIND:
            counted = asyncio.get_running_loop().create_future()
        self._under_way += 1
        if soon and keeping is not None and counted is None:
            work = self._together(counting, keeping)
        else:
            work = self._both(counting, keeping, counted)
        self._spawn(work, "count-call")
        if counted is not None:
            await counted

    async def _together(self, counting: Counting, keeping: Work) -> None:
        # The store answers in turn: whoever waits for the later of two answers is woken once for both.
        try:
            await keeping
        finally:
            await self._both(counting, None, None)

    async def _both(self, counting: Counting, keeping: Work | None, counted: "asyncio.Future[None] | None") -> None:
        try:
            await self._usage.finish(counting)
        except Exception as error:
            if counted is None or counted.done():
                raise
            counted.set_exception(error)
        else:
            if counted is not None and not counted.done():
                counted.set_result(None)
        finally:
            self._under_way -= 1
            if counted is not None:
                # The process ends: nobody is answered as if it were counted.
                counted.cancel()
            if keeping is not None:
                await keeping


class asking:  # noqa: N801 - a context manager, used like a function
    """A provider is waited for within the block; a call that it ends with nothing to count is counted as failed."""

    __slots__ = ("_call", "_since", "_usage")

    def __init__(self, call: Call, usage: UsageBook) -> None:
        self._call = call
        self._usage = usage

    def __enter__(self) -> None:
        self._since = self._call.asks()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._call.was_answered(self._since)
        if isinstance(error, DcoderError) and begun_before(error) is None:
            self._usage.failed(self._call.booking, error.code)
