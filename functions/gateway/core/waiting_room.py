"""Where calls wait, in turn, for what others may give back. The first in each queue alone keeps asking for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

Answer = TypeVar("Answer")
# Others than this process give back, too, and do not say so here.
_LOOK_AGAIN_SECONDS = 0.1


@dataclass(slots=True)
class _Queue:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    length: int = 0


class WaitingRoom:
    """Queues by name.

    Args:
        seconds: longest stay.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._queues: dict[str, _Queue] = {}

    def occupied(self, names: Iterable[str]) -> str | None:
        """The first of these queues that somebody waits in."""
        return next((name for name in names if name in self._queues), None) if self._queues else None

    def freed(self, names: Iterable[str]) -> None:
        """Something came free that these queues wait for."""
        if self._queues:
            for name in names:
                if name in self._queues:
                    self._queues[name].freed.set()

    async def wait(self, name: str, ask: Callable[[], Awaitable[Answer]], settled: Callable[[Answer], bool]) -> Answer:
        """Ask again and again, in turn; the first answer that is settled, or the last at the end of the stay."""
        until = asyncio.get_running_loop().time() + self._seconds
        queue = self._queues.setdefault(name, _Queue())
        queue.length += 1
        try:
            if not await _takes_turn(queue.turn, until):
                return await ask()
            try:
                return await _ask_until(until, queue.freed, ask, settled)
            finally:
                queue.turn.release()
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[name]


async def _takes_turn(turn: asyncio.Lock, until: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            return await turn.acquire()
    return False


async def _ask_until(
    until: float, freed: asyncio.Event, ask: Callable[[], Awaitable[Answer]], settled: Callable[[Answer], bool]
) -> Answer:
    loop = asyncio.get_running_loop()
    while True:
        freed.clear()
        answer = await ask()
        if settled(answer) or loop.time() >= until:
            return answer
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(until, loop.time() + _LOOK_AGAIN_SECONDS)):
                await freed.wait()
