"""What limits, and keeping what was said, cost a call: `python -m scenarios.load.metering`, on `DCODER_REDIS_URL`.

In microseconds. "said": the call's content is sealed and kept for the guardrails, with a prompt of so many characters.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis.asyncio
from rich.console import Console
from rich.table import Table

from functions.gateway.adapters.call_telemetry import CallTelemetry
from functions.gateway.adapters.redis_link import RedisLink
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.adapters.sealing import ContentSealer
from functions.gateway.adapters.spool import Spool
from functions.gateway.core.admission import Admission
from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Caller, Provider, Target, Usage
from functions.gateway.core.prices import load_prices
from functions.gateway.core.quota import NO_LIMITS, Limit, TenantLimits
from functions.gateway.core.usage import Said, UsageBook
from functions.kit.identifiers import new_id
from functions.kit.secrets import DataKey, new_data_key
from functions.kit.settings import TenantSettings

_CALLS = 3_000
_AT_ONCE = 32
_TENANT = "bench"
_TARGET = Target(Provider("openai", "openai", "https://api.openai.com/v1", "sk-x"), "gpt-4o-mini")
_BODY = {
    "model": "gpt-4o-mini",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What does a budget cost when nobody looks at it? " * 4}],
}


@dataclass(frozen=True, slots=True)
class _Directory:
    known: TenantLimits

    async def limits(self, tenant_id: str) -> TenantLimits:
        """The limits of the case that is measured."""
        del tenant_id
        return self.known


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    limits: tuple[Limit, ...]
    said_characters: int = 0

    def said(self) -> Said | None:
        """The call's content, where it is kept."""
        if not self.said_characters:
            return None
        text = ("What does a budget cost when nobody looks at it? " * 2000)[: self.said_characters]
        answer = {"choices": [{"message": {"role": "assistant", "content": text[:400]}}]}
        return Said({"messages": [{"role": "user", "content": text}]}, answer)


class _Keys:
    """One key for everybody."""

    _key = DataKey(1, new_data_key())

    async def active(self, tenant_id: str) -> DataKey:
        """It."""
        del tenant_id
        return self._key

    async def version(self, tenant_id: str, version: int) -> DataKey:
        """It."""
        del tenant_id, version
        return self._key


def _limit(metric: Any, window: Any, *, hard: bool = True) -> Limit:
    return Limit(_TENANT, new_id(), "tenant", None, metric, window, 10**12, hard, (80, 90, 100))


_CASES = (
    _Case("no limit", ()),
    _Case("no limit, said: 200 characters", (), 200),
    _Case("no limit, said: 4,000 characters", (), 4_000),
    _Case("no limit, said: 40,000 characters", (), 40_000),
    _Case("1 soft limit", (_limit("requests", "month", hard=False),)),
    _Case("1 hard limit on requests", (_limit("requests", "minute"),)),
    _Case("3 hard: requests, tokens, cost", tuple(_limit(m, "month") for m in ("requests", "tokens", "cost"))),
    _Case(
        "9 hard: each per minute, day, month",
        tuple(_limit(m, w) for m in ("requests", "tokens", "cost") for w in ("minute", "day", "month")),
    ),
)


async def main() -> None:
    """Measure all cases, one call at a time and many at once."""
    url = os.environ.get("DCODER_REDIS_URL")
    if not url:
        sys.exit("set DCODER_REDIS_URL to a Redis that may be written to")
    table = Table(
        "limits", "before, µs", "after, µs", "both at 32 at once, µs", "in Redis, µs", title="median of calls"
    )
    async with redis.asyncio.Redis.from_url(url, protocol=2) as client:
        for case in _CASES:
            table.add_row(case.name, *[f"{value:.0f}" for value in await _measure(case, url, client)])
    Console().print(table)


async def _measure(case: _Case, url: str, client: "redis.asyncio.Redis") -> tuple[float, float, float, float]:
    link = RedisLink(url)
    directory = _Directory(TenantLimits(case.limits) if case.limits else NO_LIMITS)
    with tempfile.TemporaryDirectory() as folder:
        meter = RedisMeter(link, Spool(Path(folder)), directory)
        admission = Admission(directory, meter, load_prices(), _spawn)
        working: set[asyncio.Task[None]] = set()
        contents = ContentSealer(_Keys(), lambda work, _: working.add(asyncio.create_task(work)))
        usage, said = (
            UsageBook(meter, load_prices(), admission.freed, contents, CallTelemetry(load_prices().family)),
            case.said(),
        )

        async def before() -> Booking:
            booking = Booking(Caller(_TENANT, "k", "u", "r", TenantSettings.of({})), _TARGET)
            contents.expect(booking)
            await admission.book(booking)
            await admission.for_chat(booking, dict(_BODY))
            return booking

        async def after(booking: Booking) -> None:
            await usage.record(booking, Usage(45, 80), said=said)

        for _ in range(50):
            await after(await before())
        await client.config_resetstat()
        entering, leaving = [], []
        for _ in range(_CALLS):
            booking, seconds = await _timed(before)
            entering.append(seconds)
            leaving.append((await _timed(lambda booking=booking: after(booking)))[1])  # type: ignore[misc]
        together = await _at_once(before, after)
        spent = await _script_microseconds(client) / (2 * _CALLS)
        await link.close()
        await client.delete("usage:pending", "quota:held", "quota:reservations")
    return _median(entering), _median(leaving), together, spent


async def _timed(work: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = await work()
    return result, time.perf_counter() - started


async def _at_once(before: Callable[[], Awaitable[Booking]], after: Callable[[Booking], Awaitable[None]]) -> float:
    """Microseconds of this process' processor per call, with many under way."""

    async def caller() -> None:
        for _ in range(_CALLS // _AT_ONCE):
            await after(await before())

    started = time.process_time()
    await asyncio.gather(*(caller() for _ in range(_AT_ONCE)))
    return (time.process_time() - started) / (_CALLS // _AT_ONCE * _AT_ONCE) * 1e6


async def _script_microseconds(client: "redis.asyncio.Redis") -> float:
    found: dict[str, Any] = await client.info("commandstats")
    return float(found.get("cmdstat_evalsha", {}).get("usec", 0))


def _median(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1e6


def _spawn(work: Coroutine[Any, Any, None], name: str) -> None:
    work.close()
    raise RuntimeError(f"{name}: nothing is given back here")


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
