"""A bounded cache that asks again when old and, while the source is away, answers with what it knew."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from functions.kit.errors import DependencyUnavailable

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class StaleCache(Generic[Key, Value]):
    """Answers from memory while fresh; loads once for all who ask at the same time.

    Args:
        load: asks the source; raises DependencyUnavailable when it is away.
        fresh: seconds for which an answer is trusted unasked.
        stale: seconds for which an answer still serves while the source is away.
        size: most entries kept, the least recently used dropped.
    """

    def __init__(
        self, load: Callable[[Key], Awaitable[Value]], *, fresh: float, stale: float = 0.0, size: int = 10_000
    ) -> None:
        self._load = load
        self._fresh = fresh
        self._stale = stale
        self._size = size
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._loading: dict[Key, asyncio.Future[Value]] = {}

    async def get(self, key: Key) -> Value:
        """The value, at most `fresh` seconds old unless the source is away.

        Raises:
            DependencyUnavailable: the source is away and nothing recent enough is known.
        """
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and now - entry[0] < self._fresh:
            return entry[1]
        try:
            return await self._once(key)
        except DependencyUnavailable:
            if entry is not None and now - entry[0] < self._stale:
                return entry[1]
            raise

    def forget(self, key: Key) -> None:
        """Ask again at the next use, keeping the value for when the source is away."""
        # A load under way may have read what is no longer so: it answers those who wait for it and nobody after them.
        self._loading.pop(key, None)
        entry = self._entries.get(key)
        if entry is not None:
            self._entries[key] = (min(entry[0], time.monotonic() - self._fresh), entry[1])

    def forget_all(self) -> None:
        """Ask for every key again at its next use."""
        for key in [*self._entries, *self._loading]:
            self.forget(key)

    async def _once(self, key: Key) -> Value:
        running = self._loading.get(key)
        if running is None:
            running = asyncio.ensure_future(self._load(key))
            self._loading[key] = running
            running.add_done_callback(lambda done: self._finish(key, done))
        # Shielded: one caller that goes away must not cancel the load for the others.
        return await asyncio.shield(running)

    def _finish(self, key: Key, done: "asyncio.Future[Value]") -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._loading.get(key) is not done:
            return
        del self._loading[key]
        if not failed:
            self._keep(key, done.result())

    def _keep(self, key: Key, value: Value) -> None:
        self._entries[key] = (time.monotonic(), value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
