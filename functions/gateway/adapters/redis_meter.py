"""Holds and counts what calls use in Redis, in one script each, and keeps records on disk while Redis is away."""

import asyncio
import binascii
import logging
import time
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from prometheus_client import Counter

from functions.gateway.adapters.quota_scripts import FIRST_KEYS, RELEASE, RENEW, RESERVE, SETTLE
from functions.gateway.adapters.redis_link import (
    Owed,
    RedisAway,
    RedisLink,
    RedisRefused,
    written,
    written_bytes,
    written_number,
)
from functions.gateway.adapters.spool import Spool
from functions.gateway.core.ports import Granted, LimitDirectory, Refused
from functions.gateway.core.quota import SCALES, Hold, Limit, Subjects, additions
from functions.kit.clock import rfc3339
from functions.kit.errors import DependencyUnavailable
from functions.kit.quotas import Span, spans_at
from functions.kit.subjects import UsageRecord

_KEEP_SECONDS = 40 * 86_400
# A call is settled in the window in which it began, however long it took.
_COUNTER_SECONDS = 3_600
_RENEWALS_PER_LEASE = 3
_MOST_RENEWED = 1_000
_LATE_SECONDS = 1.0
_MOST_WITH_CONTENT = 10_000
# In a spooled line, between a record and what was said; JSON has none.
_TAB = b"\t"
# As they go over the wire.
_FIRST = written(*FIRST_KEYS)
_KEPT = written(_KEEP_SECONDS)

_ALIASES = tuple(field.serialization_alias or field.alias or name for name, field in UsageRecord.model_fields.items())

REFUSALS = Counter("dcoder_quota_refusals_total", "Times a limit had not enough left.", ["metric", "window"])
EXPIRED = Counter("dcoder_quota_expired_total", "Reservations whose process died.")
CONTENT_LOST = Counter(
    "dcoder_llm_content_dropped_total", "Calls counted without what was said in them, because too much waited already."
)
_logger = logging.getLogger(__name__)


class RedisMeter:
    """Ports `Meter` and `Reservations`. An accepted record reaches the ledger whatever is away.

    Args:
        directory: asked for the limits that a record kept on disk counts against.
        lease_seconds: a reservation that is not renewed for so long is given back. It is renewed for as long as the
            call lasts and this process lives.
        most_with_content: entries that wait for the relay, from which on what was said is no longer kept beside them.
    """

    def __init__(
        self,
        link: RedisLink,
        spool: Spool,
        directory: LimitDirectory,
        *,
        lease_seconds: float = 60.0,
        most_with_content: int = _MOST_WITH_CONTENT,
    ) -> None:
        self._link = link
        self._spool = spool
        self._directory = directory
        self._lease = lease_seconds
        self._lease_ms = written(round(lease_seconds * 1000))
        self._most_with_content = written(most_with_content)
        self._held: dict[str, None] = {}
        self._owed = Owed(link)

    async def reserve(
        self, record: UsageRecord, holds: Sequence[Hold], completion: int, *, again: bool = False
    ) -> Granted | Refused:
        """Hold what a call needs of every limit, or of none.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        keys = [written_number(len(FIRST_KEYS) + len(holds)), _FIRST]
        entry = [line_of(record), _day(record.tenant_id, record.at.date()), _minute(record)]
        needed: list[bytes] = []
        for limit, span, fixed, per_token, scale in holds:
            counter = _counter(limit, span)
            amount = -(-(fixed + per_token * completion) // scale)
            keys.append(counter.key_written)
            entry += counter.key, b"%d" % amount
            needed += written_number(amount), counter.maximum
            needed.append(written_bytes(b"%d %d %b" % (fixed, per_token, counter.window)))
        arguments = [written_bytes(record.usage_id.encode()), written_bytes(b"\n".join(entry)), self._lease_ms]
        arguments += written_number(completion), written_number(int(again))
        length, parts = len(FIRST_KEYS) + 6 + 4 * len(holds), b"".join(keys + arguments + needed)
        self._held[record.usage_id] = None
        try:
            granted, value, *counted = await RESERVE.result(self._link, length, parts)
        except (RedisAway, RedisRefused) as error:
            raise DependencyUnavailable(
                "what is left of the limits cannot be found out", details={"dependency": "redis"}
            ) from error
        if granted:
            return Granted(value)
        self._held.pop(record.usage_id, None)
        refusing = holds[value]
        REFUSALS.labels(refusing.limit.metric, refusing.limit.window).inc()
        return Refused(refusing, *counted)

    async def release(self, usage_id: str) -> None:
        """Give back what is held for a call that has used nothing: now, or as soon as Redis is back."""
        self._held.pop(usage_id, None)
        await self._owed.run(RELEASE, FIRST_KEYS, [usage_id])

    async def fail(self, record: UsageRecord, *, held: bool) -> None:
        """Count a call that used nothing of any limit, and give back what is held for it, in one step."""
        await self.begin(record, (), held=held).finish()

    def begin(
        self, record: UsageRecord, limits: Sequence[Limit], *, held: bool, content: bytes = b""
    ) -> "RedisSettlement":
        """Have one call counted: in Redis, or on disk until Redis is back."""
        return self._begin(record, line_of(record), limits, held=held, content=content)

    async def settled(self, settlement: "RedisSettlement") -> None:
        """Wait for Redis' word that it is counted.

        Raises:
            RedisAway: there is none.
            RedisRefused: it cannot be counted.
        """
        if await SETTLE.result(self._link, settlement.length, settlement.parts, settlement.begun) == 2:
            CONTENT_LOST.inc()
        self._held.pop(settlement.usage_id, None)

    async def spool(self, usage_id: str, line: bytes, content: bytes, reason: Exception) -> None:
        """Keep a record on disk until Redis is back.

        Raises:
            DependencyUnavailable: it cannot be written there either.
        """
        _logger.warning("usage goes to the spool", extra={"reason": str(reason)})
        if content and self._spool.is_long:
            CONTENT_LOST.inc()
            content = b""
        try:
            await self._spool.append(line + _TAB + binascii.b2a_base64(content, newline=False) if content else line)
        except OSError as error:
            # What is held is not renewed any more: once it lapses, the ledger says that there was a call.
            self._held.pop(usage_id, None)
            raise DependencyUnavailable(
                "the call can be counted nowhere: redis is away and the spool cannot be written",
                details={"dependency": "redis"},
            ) from error

    async def replay(self, line: bytes) -> None:
        """Count a spooled record.

        Raises:
            RedisAway: Redis is still away.
            DependencyUnavailable: the tenant's limits cannot be read.
        """
        line, _, encoded = line.partition(_TAB)
        record, content = UsageRecord.model_validate_json(line), binascii.a2b_base64(encoded)
        spans, now = spans_at(record.at), time.time()
        # Counters whose windows are long over are gone, and would not go again.
        limits = [
            limit
            for limit in (await self._directory.limits(record.tenant_id)).applying(Subjects.of(record))
            if _expiry(spans[limit.window]) > now
        ]
        await self.settled(self._begin(record, line, limits, held=True, content=content))

    async def keep(self) -> None:
        """Renew what is held for calls that last, and give back what dead processes held. Runs until cancelled.

        What Redis was away for is given back once it is there.
        """
        while True:
            seen, until = list(self._held), time.monotonic() + self._lease / _RENEWALS_PER_LEASE
            while (left := until - time.monotonic()) > 0:
                await asyncio.sleep(min(left, _LATE_SECONDS))
                await self._owed.catch_up()
            lasting = [usage_id for usage_id in seen if usage_id in self._held]
            try:
                for start in range(0, max(1, len(lasting)), _MOST_RENEWED):
                    batch = lasting[start : start + _MOST_RENEWED]
                    EXPIRED.inc(await RENEW.run(self._link, [*FIRST_KEYS], [round(self._lease * 1000), *batch]))
            except (RedisAway, RedisRefused) as error:
                _logger.debug("reservations were not renewed", extra={"reason": str(error)})

    def _begin(
        self, record: UsageRecord, line: bytes, limits: Sequence[Limit], *, held: bool, content: bytes
    ) -> "RedisSettlement":
        added = additions(limits, record)
        keys = [written_number(len(FIRST_KEYS) + 2 + len(added)), _FIRST]
        keys += written_bytes(_day(record.tenant_id, record.at.date())), written_bytes(_minute(record))
        arguments = [written_bytes(record.usage_id.encode()), written_bytes(line)]
        arguments += written_number(record.prompt_tokens), written_number(record.completion_tokens)
        arguments += written_number(record.cost_micro_usd), _KEPT, written_number(int(held))
        arguments += written_bytes(content), self._most_with_content
        for limit, span, amount in added:
            counter = _counter(limit, span)
            keys.append(counter.key_written)
            arguments += written_number(amount), counter.told
        length, parts = len(FIRST_KEYS) + 12 + 4 * len(added), b"".join(keys + arguments)
        begun = SETTLE.begin(self._link, length, parts)
        return RedisSettlement(self, record.usage_id, line, content, length, parts, begun)


class RedisSettlement(NamedTuple):
    """Port `Settlement`: a run of the script that counts, and what to do should Redis not answer.

    Attributes:
        length: how many parts the script is given.
        parts: as they go over the wire.
        begun: the script's reply, on its way; None where there was no connection to send it by.
    """

    meter: RedisMeter
    usage_id: str
    line: bytes
    content: bytes
    length: int
    parts: bytes
    begun: "asyncio.Future[Any] | None"

    @property
    def is_sent(self) -> bool:
        """Whether Redis was sent it."""
        return self.begun is not None

    async def finish(self) -> None:
        """Wait until it is counted, or on disk."""
        try:
            await self.meter.settled(self)
        except (RedisAway, RedisRefused) as error:
            await self.meter.spool(self.usage_id, self.line, self.content, error)


class _Counter(NamedTuple):
    """What the scripts are told of a counter besides what a call does with it.

    Attributes:
        key_written, maximum: as they go over the wire.
        window: scale, expiry, and where counting begins.
        told: as they go over the wire, from what use on a threshold is crossed, empty where there is none; and in one
            maximum, thresholds, expiry, where counting begins, and the data of `quota.threshold` without its end, to
            which the script adds threshold and use.
    """

    key: bytes
    key_written: bytes
    maximum: bytes
    window: bytes
    told: bytes


def line_of(record: UsageRecord) -> bytes:
    """What `model_dump_json` gives, for less: a call has two of them."""
    # Models have their fields in their order.
    return orjson.dumps(dict(zip(_ALIASES, vars(record).values(), strict=True)), option=orjson.OPT_UTC_Z)


@lru_cache(maxsize=4096)
def _day(tenant_id: str, day: date) -> bytes:
    return f"t:{tenant_id}:usage:{day.isoformat()}".encode()


def _minute(record: UsageRecord) -> bytes:
    return b"t:%b:usage:begun:%d" % (record.tenant_id.encode(), record.at.timestamp() // 60)


def _expiry(span: Span) -> int:
    return span.end + _COUNTER_SECONDS


@lru_cache(maxsize=4096)
def _counter(limit: Limit, span: Span) -> _Counter:
    event = {
        "tenantId": limit.tenant_id,
        "quotaId": limit.id,
        "subject": {"kind": limit.subject_kind, "id": limit.subject_id},
        "metric": limit.metric,
        "window": limit.window,
        "windowStart": rfc3339(span.began),
        "limit": limit.maximum,
    }
    thresholds, expiry, seed = ",".join(map(str, limit.thresholds)), _expiry(span), limit.seed(span)
    alarm = -(-limit.maximum * min(limit.thresholds) // 100) if limit.thresholds else ""
    key = limit.key(span).encode()
    return _Counter(
        key=key,
        key_written=written(key),
        maximum=written(limit.maximum),
        window=f"{SCALES[limit.metric]} {expiry} {seed}".encode(),
        told=written(alarm, f"{limit.maximum} {thresholds} {expiry} {seed} ".encode() + orjson.dumps(event)[:-1]),
    )
