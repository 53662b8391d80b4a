"""When a call is counted: behind its answer, and as failed where a provider ends it with nothing to count."""

from collections.abc import Callable, Coroutine
from typing import Any

from functions.gateway.core.call import Call
from functions.gateway.core.errors import begun_before
from functions.gateway.core.usage import UsageBook
from functions.kit.errors import DcoderError

Work = Coroutine[Any, Any, None]
# Calls that are counted behind their answers, at once; beyond them the next is counted before it is answered.
_MOST_BEHIND = 1_000


class CountedBehind:
    """Counts calls once their answers are on their way (docs/adr/0040).

    Args:
        spawn: runs work in the background, owned by the process.
    """

    def __init__(self, usage: UsageBook, spawn: Callable[[Work, str], None]) -> None:
        self._usage = usage
        self._spawn = spawn
        self._under_way = 0

    async def behind(self, counting: Work, keeping: Work | None = None) -> None:
        """Count a call once its answer is on its way, and keep that: whoever waits for it need not wait for either.

        It is counted first where Redis is away, when the record is safe in a file and no reservation stands in for it,
        or where many are behind already.
        """
        if self._usage.is_prompt and self._under_way < _MOST_BEHIND:
            self._under_way += 1
            self._spawn(self._both(counting, keeping), "count-call")
            return
        await counting
        if keeping is not None:
            self._spawn(keeping, "keep-answer")

    async def _both(self, counting: Work, keeping: Work | None) -> None:
        try:
            await counting
        finally:
            self._under_way -= 1
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
