"""The load generator: HTTP/1.1 over a fixed set of connections, closed (as fast as answers come) or open (at a rate).

An open loop measures each request from the moment it was due, sent or not, so that a target that stalls is not spared
the requests that it kept from being sent (coordinated omission).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import uvloop

from scenarios.load.targets import Target
from scenarios.platform import ScenarioError

_LONGEST_WAIT = 30.0
# How long an open loop asks before what it asks is measured: its connections are made then, and what lay idle wakes up.
_WARM_UP_SECONDS = 0.5
_MOST_CONNECTIONS = 256


class Overrun(ScenarioError):
    """A target does not keep up with the rate that it is asked at."""


@dataclass(slots=True)
class Load:
    """What came of a load: seconds by request, to the answer's first byte and to its last.

    Attributes:
        frames: server-sent events counted in all answers.
        bytes: of all bodies.
    """

    seconds: float = 0.0
    lasts: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    frames: int = 0
    bytes: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.lasts) / self.seconds

    def last(self, share: float) -> float:
        """Milliseconds to the last byte that so large a share of requests did not exceed."""
        return _quantile(self.lasts, share)

    def first(self, share: float) -> float:
        """Milliseconds to the first byte of the body that so large a share of requests did not exceed."""
        return _quantile(self.firsts, share)


def closed(target: Target, connections: int, *, seconds: float = 1e9, amount: float = 1e9) -> Load:
    """Ask on so many connections, each again once it is answered, for a time or an amount of requests.

    Raises:
        ScenarioError: an answer was not 200, or did not come from where the target's must.
    """
    return uvloop.run(_closed(target, connections, seconds, amount))


def open_loop(target: Target, rate: float, seconds: float) -> Load:
    """Ask at random moments (Poisson), at a rate per second, whatever becomes of the answers.

    What is asked in the half second before is not in the load.

    Raises:
        Overrun: so many requests were under way at once that the target does not keep up.
        TimeoutError: the target left some unanswered for long.
        ScenarioError: an answer was not 200, or did not come from where the target's must.
    """
    return uvloop.run(_open(target, rate, seconds))


async def _closed(target: Target, connections: int, seconds: float, amount: float) -> Load:
    load, started, asked = Load(), time.perf_counter(), 0

    async def keep_asking(ask: "_Ask") -> None:
        nonlocal asked
        while asked < amount and time.perf_counter() - started < seconds:
            asked += 1
            _take(load, target, await ask(target.request(asked)), time.perf_counter())

    wires = [await _connect(target) for _ in range(connections)]
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for wire in wires:
            group.create_task(keep_asking(wire.ask))
    load.seconds = time.perf_counter() - started
    for wire in wires:
        wire.close()
    return load


async def _open(target: Target, rate: float, seconds: float) -> Load:
    warming, load, dice = Load(), Load(), random.Random(5)  # noqa: S311 - a load
    idle = [await _connect(target) for _ in range(16)]
    made, due, number = len(idle), -_WARM_UP_SECONDS, 0
    started = time.perf_counter() + _WARM_UP_SECONDS

    async def ask(wire: "_Wire", request: bytes, due: float) -> None:
        answer = await wire.ask(request)
        answer.asked = started + due
        _take(warming if due < 0 else load, target, answer, time.perf_counter())
        idle.append(wire)

    async with asyncio.timeout(_WARM_UP_SECONDS + seconds + _LONGEST_WAIT), asyncio.TaskGroup() as group:
        while due < seconds and made <= _MOST_CONNECTIONS:
            await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
            number += 1
            if not idle:
                idle.append(await _connect(target))
                made += 1
            group.create_task(ask(idle.pop(), target.request(number), due))
            due += dice.expovariate(rate)
    load.seconds = time.perf_counter() - started
    for wire in idle:
        wire.close()
    if made > _MOST_CONNECTIONS:
        raise Overrun(f"{target.name} does not keep up with {rate:.0f} requests/s")
    return load


@dataclass(slots=True)
class _Reply:
    asked: float
    status: int = 0
    first: float = 0.0
    last: float = 0.0
    state: str = ""
    body: bytearray = field(default_factory=bytearray)


_Ask = Callable[[bytes], Awaitable[_Reply]]


class _Wire(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[_Reply] | None = None
        self._reply = _Reply(0.0)
        self._parser: Any = None

    async def ask(self, request: bytes) -> _Reply:
        if self._transport is None:
            raise ScenarioError("the connection is gone")
        self._parser = httptools.HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        self._reply = _Reply(time.perf_counter())
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ScenarioError(f"the connection broke: {exc}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-dcoder-cache":
            self._reply.state = value.decode()

    def on_body(self, body: bytes) -> None:
        self._reply.first = self._reply.first or time.perf_counter()
        self._reply.body += body

    def on_message_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        self._reply.last = time.perf_counter()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._reply)


async def _connect(target: Target) -> _Wire:
    address = urlsplit(target.url)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_LONGEST_WAIT):
        _, wire = await loop.create_connection(_Wire, address.hostname or "", address.port or 80)
    return wire


def _take(load: Load, target: Target, reply: _Reply, now: float) -> None:
    if reply.status != 200:
        raise ScenarioError(f"{target.name}: {reply.status} {bytes(reply.body[:300])!r}")
    if reply.state != target.state:
        raise ScenarioError(f"{target.name}: answered from the cache as {reply.state!r}, not {target.state!r}")
    load.lasts.append((reply.last or now) - reply.asked)
    load.firsts.append((reply.first or now) - reply.asked)
    load.frames += reply.body.count(b"\n\n")
    load.bytes += len(reply.body)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
