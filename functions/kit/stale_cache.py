"""A bounded cache that asks again when old and, while the source is away, answers with what it knew."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from functions.kit.errors import DependencyUnavailable

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


_PATIENCE_SECONDS = 1.0


class StaleCache(Generic[Key, Value]):
    """Answers from memory while fresh; loads once for all who ask at the same time.

    Args:
        load: asks the source; raises DependencyUnavailable when it is away.
        fresh: seconds for which an answer is trusted unasked.
        stale: seconds for which an answer still serves while the source is away.
        size: most entries kept, the least recently used dropped.
        patience: seconds that a load may take before such an answer serves meanwhile: a source that hangs must not hold
            up what is known. Where it was told that the answer has changed (`forget`), the load is waited for.
    """

    def __init__(
        self,
        load: Callable[[Key], Awaitable[Value]],
        *,
        fresh: float,
        stale: float = 0.0,
        size: int = 10_000,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._load = load
        self._fresh = fresh
        self._stale = stale
        self._size = size
        self._patience = patience
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._loading: dict[Key, tuple[float, asyncio.Future[Value]]] = {}
        self._doubted: set[Key] = set()

    async def get(self, key: Key) -> Value:
        """The value, at most `fresh` seconds old unless the source is away.

        Raises:
            DependencyUnavailable: the source is away and nothing recent enough is known.
        """
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and now - entry[0] < self._fresh:
            return entry[1]
        serves = entry is not None and now - entry[0] < self._stale
        since, running = self._load_once(key)
        if serves and key not in self._doubted:
            await asyncio.wait((running,), timeout=max(0.0, since + self._patience - now))
            if entry is not None and not running.done():
                return entry[1]
        try:
            # Shielded: one caller that goes away must not cancel the load for the others.
            return await asyncio.shield(running)
        except DependencyUnavailable:
            if entry is not None and serves:
                return entry[1]
            raise

    def forget(self, key: Key) -> None:
        """Ask again at the next use, keeping the value for when the source is away."""
        # A load under way may have read what is no longer so: it answers those who wait for it and nobody after them.
        self._loading.pop(key, None)
        entry = self._entries.get(key)
        if entry is not None:
            self._doubted.add(key)
            self._entries[key] = (min(entry[0], time.monotonic() - self._fresh), entry[1])

    def forget_all(self) -> None:
        """Ask for every key again at its next use."""
        for key in [*self._entries, *self._loading]:
            self.forget(key)

    def _load_once(self, key: Key) -> "tuple[float, asyncio.Future[Value]]":
        """The load that is under way, or a new one, and when it began."""
        known = self._loading.get(key)
        if known is None:
            known = time.monotonic(), asyncio.ensure_future(self._load(key))
            self._loading[key] = known
            known[1].add_done_callback(lambda done: self._finish(key, done))
        return known

    def _finish(self, key: Key, done: "asyncio.Future[Value]") -> None:
        failed = done.cancelled() or done.exception() is not None
        under_way = self._loading.get(key)
        if under_way is None or under_way[1] is not done:
            return
        del self._loading[key]
        if not failed:
            self._keep(key, done.result())

    def _keep(self, key: Key, value: Value) -> None:
        self._entries[key] = (time.monotonic(), value)
        self._entries.move_to_end(key)
        self._doubted.discard(key)
        while len(self._entries) > self._size:
            self._doubted.discard(self._entries.popitem(last=False)[0])
