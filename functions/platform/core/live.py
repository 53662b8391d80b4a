"""Pushes what changes to whoever watches: one hub for a process, however many streams it feeds.

An event's id is the place in the log of alerts up to which its receiver knows everything. Whoever comes back with it
is told what came after, as long as that is remembered; key figures are a state, of which the newest is enough.
"""

import asyncio
import logging
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from functions.kit.errors import DependencyUnavailable, RateLimited

# What one stream may lag behind, and what is remembered for those who come back.
_QUEUED = 256
_REMEMBERED = 10_000
_COALESCE_SECONDS = 0.5
_RETRY_SECONDS = 1.0
# A sequence of JetStream has 64 bits.
_PLACE = re.compile(r"[0-9]{1,20}")

STREAMS = Gauge("dcoder_live_streams", "Live streams that are open.")
DROPPED = Metric("dcoder_live_dropped_total", "Live streams ended because their reader was too slow.")

_logger = logging.getLogger(__name__)

Snapshot = Callable[[str | None], Awaitable[Mapping[str, Any]]]


class TooManyStreams(RateLimited):
    """The tenant, or this process, has as many live streams as it may."""

    code = "too_many_streams"


class Told(NamedTuple):
    """An alert's event in the log.

    Attributes:
        tenant_id: None for what concerns the platform itself.
    """

    sequence: int
    tenant_id: str | None
    data: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Watcher:
    """One stream.

    Attributes:
        tenant_id: whose events it gets; None: everybody's.
        frames: what waits to be sent; None ends the stream.
        dropped: set once its reader is too slow for what happens.
    """

    tenant_id: str | None
    frames: "asyncio.Queue[bytes | None]" = field(default_factory=lambda: asyncio.Queue(_QUEUED))
    dropped: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, frame: bytes | None) -> None:
        """Send it when the reader is ready; a reader with too much waiting is dropped and can come back."""
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            if not self.dropped.is_set():
                DROPPED.inc()
                self.dropped.set()


class LiveHub:
    """The process's streams, and what they are told.

    Args:
        snapshot: the key figures of a tenant, or of the platform, as they are now.
        most: streams at once.
        most_of_one: streams at once of one tenant; of the operators together, too.
    """

    def __init__(self, snapshot: Snapshot, *, most: int, most_of_one: int) -> None:
        self._snapshot = snapshot
        self._most = most
        self._most_of_one = most_of_one
        self._watchers: set[Watcher] = set()
        self._of: Counter[str | None] = Counter()
        self._log: deque[Told] = deque()
        self._epoch = "0"
        self._horizon = 0
        self._position = 0
        self._dirty: set[str | None] = set()
        self._wake = asyncio.Event()

    def begin(self, epoch: str, horizon: int) -> None:
        """A log is read: from after `horizon`. One of another epoch has nothing to do with the one before."""
        if epoch != self._epoch:
            self._log.clear()
            self._epoch, self._horizon, self._position = epoch, horizon, horizon

    @property
    def place(self) -> tuple[str, int]:
        """Which log was read last, and up to where."""
        return self._epoch, self._position

    def tell(self, told: Told) -> None:
        """An alert was raised or has changed."""
        self._position = told.sequence
        self._log.append(told)
        if len(self._log) > _REMEMBERED:
            self._horizon = self._log.popleft().sequence
        frame = self._frame("alert", told.data, told.sequence)
        for watcher in self._watchers:
            if watcher.tenant_id in {None, told.tenant_id}:
                watcher.push(frame)
        if told.tenant_id is not None:
            self.touch(told.tenant_id)
        else:
            self._mark(None)

    def touch(self, tenant_id: str) -> None:
        """A tenant's key figures have changed."""
        if tenant_id in self._of:
            self._mark(tenant_id)
        if None in self._of:
            self._mark(None)

    def touch_all(self) -> None:
        """Anything may have changed."""
        for whose in self._of:
            self._mark(whose)

    async def open(self, tenant_id: str | None, last_id: str | None) -> Watcher:
        """A new stream, with what it must be told first already in it.

        Args:
            last_id: up to where its reader knows everything; None for a new one.

        Raises:
            TooManyStreams: there are as many as there may be.
            DependencyUnavailable: the key figures cannot be read now.
        """
        if len(self._watchers) >= self._most or self._of[tenant_id] >= self._most_of_one:
            raise TooManyStreams("there are too many live streams", retry_after=5)
        watcher = Watcher(tenant_id)
        missed = self._missed(last_id, tenant_id)
        position = self._position
        # Before anything is waited for: what happens from now on is not missed.
        self._watchers.add(watcher)
        self._of[tenant_id] += 1
        STREAMS.inc()
        try:
            state = await self._snapshot(tenant_id)
        except BaseException:
            self.close(watcher)
            raise
        queued = [watcher.frames.get_nowait() for _ in range(watcher.frames.qsize())]
        if missed is None:
            first = [self._frame("snapshot" if last_id is None else "reset", state, position)]
        else:
            first = [self._frame("alert", told.data, told.sequence) for told in missed]
            first.append(self._frame("kpis", state["kpis"], position))
        for frame in (*first, *queued):
            watcher.push(frame)
        return watcher

    def close(self, watcher: Watcher) -> None:
        """The stream has ended, however it did."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
            self._of[watcher.tenant_id] -= 1
            STREAMS.dec()
            if not self._of[watcher.tenant_id]:
                del self._of[watcher.tenant_id]

    def end_all(self) -> None:
        """End every stream, so that their readers go to another process."""
        for watcher in self._watchers:
            watcher.push(None)

    async def run(self) -> None:
        """Push key figures that have changed, each whose at most twice a second, until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_COALESCE_SECONDS)
            self._wake.clear()
            dirty, self._dirty = self._dirty, set()
            for whose in dirty:
                if whose in self._of:
                    await self._push_kpis(whose)

    async def _push_kpis(self, whose: str | None) -> None:
        try:
            state = await self._snapshot(whose)
        except DependencyUnavailable:
            self._mark(whose)
            await asyncio.sleep(_RETRY_SECONDS)
            return
        except Exception:
            # All streams live on this task. Whose figures they are is touched again at the next look at everybody's.
            _logger.exception("key figures cannot be pushed", extra={"whose": whose})
            return
        frame = self._frame("kpis", state["kpis"], self._position)
        for watcher in self._watchers:
            if watcher.tenant_id == whose:
                watcher.push(frame)

    def _mark(self, whose: str | None) -> None:
        self._dirty.add(whose)
        self._wake.set()

    def _missed(self, last_id: str | None, tenant_id: str | None) -> list[Told] | None:
        """What came after an id; None where that cannot be told, or is more than a stream may have waiting."""
        epoch, _, place = (last_id or "").partition("-")
        if epoch != self._epoch or not _PLACE.fullmatch(place) or int(place) < self._horizon:
            return None
        missed = [t for t in self._log if t.sequence > int(place) and tenant_id in {None, t.tenant_id}]
        return missed if len(missed) < _QUEUED // 2 else None

    def _frame(self, event: str, data: Mapping[str, Any], sequence: int) -> bytes:
        """As WHATWG HTML, section 9.2, has it."""
        return b"event: %b\nid: %b-%d\ndata: %b\n\n" % (
            event.encode(),
            self._epoch.encode(),
            sequence,
            orjson.dumps(data),
        )


async def frames(watcher: Watcher, *, heartbeat: float, longest: float) -> AsyncIterator[bytes]:
    """A stream's frames until it is ended, or has lasted for `longest` seconds; a comment while nothing happens."""
    ends = asyncio.get_running_loop().time() + longest
    yield b"retry: 2000\n\n"
    while (left := ends - asyncio.get_running_loop().time()) > 0:
        try:
            async with asyncio.timeout(min(heartbeat, left)):
                frame = await watcher.frames.get()
        except TimeoutError:
            yield b": heartbeat\n\n"
            continue
        if frame is None:
            return
        yield frame
