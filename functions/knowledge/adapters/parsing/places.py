"""Whose document is read next: so many at once, and documents of one tenant that take long keep nobody else out."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """Lends places in the order in which they are asked for.

    What holds one for long gives it back and goes on beside the others. A tenant that has as many such as there are
    places begins nothing more until one has ended. So a handful of documents that take minutes each, hostile or just
    scanned, delays those of their own tenant.

    Args:
        count: places. There are never more than twice as many that go on beside.
        slow_seconds: after which a place is given back.
    """

    def __init__(self, count: int, slow_seconds: float) -> None:
        self._count = count
        self._free = count
        self._slow_seconds = slow_seconds
        self._slow: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def place(self, tenant_id: str) -> AsyncIterator[None]:
        """Hold one within the block."""
        await self._take(tenant_id)
        holding = _Holding(tenant_id)
        self._watch(holding)
        try:
            yield
        finally:
            if holding.timer:
                holding.timer.cancel()
            if holding.is_slow:
                self._slow[tenant_id] -= 1
            else:
                self._free += 1
            self._lend()

    async def _take(self, tenant_id: str) -> None:
        lent = asyncio.get_running_loop().create_future()
        self._waiting.append((tenant_id, lent))
        self._lend()
        try:
            await lent
        except asyncio.CancelledError:
            if not lent.cancelled():
                # It was lent to somebody who has left meanwhile.
                self._free += 1
                self._lend()
            raise

    def _lend(self) -> None:
        """Lend what is free to the first who may have it."""
        kept: deque[tuple[str, asyncio.Future[None]]] = deque()
        while self._waiting:
            tenant_id, lent = self._waiting.popleft()
            if lent.done():
                continue
            if self._free and self._slow[tenant_id] < self._count:
                self._free -= 1
                lent.set_result(None)
            else:
                kept.append((tenant_id, lent))
        self._waiting = kept

    def _watch(self, holding: "_Holding") -> None:
        holding.timer = asyncio.get_running_loop().call_later(self._slow_seconds, self._give_back, holding)

    def _give_back(self, holding: "_Holding") -> None:
        if self._slow[holding.tenant_id] >= self._count or self._slow.total() >= 2 * self._count:
            self._watch(holding)
            return
        holding.is_slow = True
        holding.timer = None
        self._slow[holding.tenant_id] += 1
        self._free += 1
        self._lend()


class _Holding:
    """A place that is lent.

    Attributes:
        is_slow: it was given back, and what held it goes on.
    """

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.is_slow = False
        self.timer: asyncio.TimerHandle | None = None
