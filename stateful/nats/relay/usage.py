"""Carries what the gateway settles into a Redis stream to events: quota.updated, llm.completed, quota.threshold."""

import asyncio
import binascii
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import redis.asyncio
from pydantic import ValidationError
from redis.exceptions import ResponseError

from functions.kit.clock import rfc3339
from functions.kit.context import RequestContext, serving
from functions.kit.events import Event, EventData
from functions.kit.quotas import CONTENT_FIELD, PENDING, RECORD_FIELD, THRESHOLD_FIELD
from functions.kit.storable import holds_zero
from functions.kit.subjects import LlmCall, LlmCompleted, QuotaThreshold, QuotaUpdated, UsageRecord
from stateful.nats.connection import Publisher
from stateful.nats.loops import keep_running
from stateful.nats.relay.metrics import THRESHOLDS, USAGE_POISON, USAGE_RECORDS, USAGE_SECONDS
from stateful.nats.relay.settings import RelaySettings

STREAM = PENDING
POISON = "usage:poison"
GROUP = "relay"
SOURCE = "/dcoder/gateway"

_NAMESPACE = UUID("a3f0b1c2-5d1e-5b8e-9c57-6a0d1f3e7b24")
_BLOCK_MILLISECONDS = 1000
_POISON_LENGTH = 100_000
_RECORD_BYTES = 16_384
# Well below NATS' limit of 1 MiB for a message.
_EVENT_BYTES = 400_000
_CONTENT_BYTES = 300_000
_GREATEST = 2**63 - 1
_FORGET_CONSUMER_MILLISECONDS = 3_600_000
_OWN, _NEW = "0", ">"

_logger = logging.getLogger("dcoder.events.relay")
Fields = Mapping[bytes, bytes]
Entries = list[tuple[bytes, Fields | None]]


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    size: int
    record: UsageRecord
    content: str | None = None


@dataclass(frozen=True, slots=True)
class _Crossing:
    id: str
    threshold: QuotaThreshold


class UsageRelay:
    """Publishes usage records at least once; consumers count each by its `usageId`.

    The event of a threshold has an id made of what it says, so that the second publication of one is no second event.

    An entry leaves the stream only after NATS has stored the event that holds it. What this relay has read and not
    settled it reads again after a failure; what a dead one left is taken over.

    Args:
        client: its socket timeout must be longer than a second, the time that a read waits for records.
        name: this relay among those of the group; unique per process.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        publisher: Publisher,
        settings: RelaySettings,
        *,
        name: str,
        platform_id: str,
    ) -> None:
        self._redis = client
        self._publisher = publisher
        self._settings = settings
        self.name = name
        self._context = RequestContext(platform_id=platform_id)
        self._claim_at = 0.0

    async def run(self) -> None:
        """Relay until cancelled."""
        await keep_running("the usage relay", self._relay)

    async def drain(self) -> None:
        """Settle what was read when `run` was cancelled, and leave the group."""
        while entries := await self._read(_OWN):
            await self._carry(entries)
        await self._redis.xgroup_delconsumer(STREAM, GROUP, self.name)

    async def _relay(self) -> None:
        await self._ensure_group()
        position, paced_until = _OWN, 0.0
        while True:
            await asyncio.sleep(max(0.0, paced_until - time.monotonic()))
            entries = await self._claim() or await self._read(position)
            paced_until = time.monotonic() + self._settings.usage_pace_seconds
            if entries:
                await self._carry(entries)
            else:
                # Nothing read before and left unsettled is left, or nothing new came.
                position = _NEW

    async def _ensure_group(self) -> None:
        try:
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _read(self, position: str) -> Entries:
        # The client's types are those of every protocol version at once; this is version 2's.
        answer: list[tuple[bytes, Entries]] = await self._redis.xreadgroup(  # type: ignore[assignment]
            GROUP, self.name, {STREAM: position}, count=self._settings.usage_batch, block=_BLOCK_MILLISECONDS
        )
        return answer[0][1] if answer else []

    async def _claim(self) -> Entries:
        """Take over what others have left unsettled for too long; asked for a few times within that time."""
        if time.monotonic() < self._claim_at:
            return []
        idle = int(self._settings.usage_claim_seconds * 1000)
        answer = await self._redis.xautoclaim(STREAM, GROUP, self.name, idle, count=self._settings.usage_batch)
        entries: Entries = answer[1]
        if not entries:
            self._claim_at = time.monotonic() + self._settings.usage_claim_seconds / 3
            await self._tidy()
        return entries

    async def _tidy(self) -> None:
        for consumer in await self._redis.xinfo_consumers(STREAM, GROUP):
            if not consumer["pending"] and consumer["idle"] > _FORGET_CONSUMER_MILLISECONDS:
                await self._redis.xgroup_delconsumer(STREAM, GROUP, consumer["name"])

    async def _carry(self, entries: Entries) -> None:
        good: list[_Entry] = []
        crossings: list[_Crossing] = []
        poison: list[tuple[str, Fields, str]] = []
        for raw_id, fields in entries:
            entry_id = raw_id.decode()
            try:
                parsed = _parse(entry_id, fields or {})
            except ValueError as error:
                poison.append((entry_id, fields or {}, _reason(error)))
                continue
            if isinstance(parsed, _Entry):
                good.append(parsed)
            else:
                crossings.append(parsed)
        groups = list(_groups(good))
        ids = [[entry.id for entry in group] for group in groups] + [[crossing.id] for crossing in crossings]
        results = await asyncio.gather(
            *(self._publish(group) for group in groups),
            *(self._tell(crossing.threshold) for crossing in crossings),
            return_exceptions=True,
        )
        stored = [group for group, result in zip(ids, results, strict=True) if result is None]
        await self._settle([entry_id for group in stored for entry_id in group], poison)
        for result in results:
            if result is not None:
                raise result

    async def _publish(self, entries: list[_Entry]) -> None:
        tenant_id = entries[0].record.tenant_id
        records = QuotaUpdated(tenant_id=tenant_id, records=[entry.record for entry in entries])
        calls = [_call(entry) for entry in entries if not entry.record.internal]
        # Records first: should only one of the two get through before a failure, it is the bill.
        await self._say(records, tenant_id, entries)
        if calls:
            await self._say(LlmCompleted(tenant_id=tenant_id, calls=calls), tenant_id, entries)
        USAGE_RECORDS.inc(len(entries))
        now = time.time()
        for entry in entries:
            USAGE_SECONDS.observe(max(0.0, now - int(entry.id.split("-")[0]) / 1000))

    async def _say(self, data: EventData, tenant_id: str, entries: list[_Entry]) -> None:
        # The same entries make the same event again, which NATS then drops.
        what = f"{data.subject}|{tenant_id}|{entries[0].id}|{entries[-1].id}|{len(entries)}"
        with serving(self._context):
            event = Event.of(data, tenant_id=tenant_id, source=SOURCE, event_id=str(uuid5(_NAMESPACE, what)))
        await self._publisher.publish(event.type, event.to_json(), message_id=event.id)

    async def _tell(self, crossed: QuotaThreshold) -> None:
        what = (crossed.quota_id, rfc3339(crossed.window_start), crossed.limit, crossed.threshold)
        event_id = str(uuid5(_NAMESPACE, "|".join(map(str, what))))
        with serving(self._context):
            event = Event.of(crossed, tenant_id=crossed.tenant_id, source=SOURCE, event_id=event_id)
        await self._publisher.publish(event.type, event.to_json(), message_id=event.id)
        THRESHOLDS.inc()

    async def _settle(self, done: list[str], poison: list[tuple[str, Fields, str]]) -> None:
        ids = [*done, *(entry_id for entry_id, _, _ in poison)]
        if not ids:
            return
        async with self._redis.pipeline(transaction=True) as pipeline:
            for entry_id, fields, reason in poison:
                kept: dict[Any, Any] = {**fields, b"entry": entry_id, b"reason": reason}
                pipeline.xadd(POISON, kept, maxlen=_POISON_LENGTH, approximate=True)
            pipeline.xack(STREAM, GROUP, *ids)
            pipeline.xdel(STREAM, *ids)
            await pipeline.execute()
        for entry_id, _, reason in poison:
            USAGE_POISON.inc()
            _logger.error("a usage record cannot be read", extra={"entry": entry_id, "reason": reason})


def _parse(entry_id: str, fields: Fields) -> _Entry | _Crossing:
    crossed = fields.get(THRESHOLD_FIELD.encode())
    if crossed is not None:
        return _Crossing(entry_id, QuotaThreshold.model_validate_json(crossed, extra="ignore"))
    text = fields.get(RECORD_FIELD.encode())
    if text is None:
        raise ValueError(f"no field {RECORD_FIELD}")
    if len(text) > _RECORD_BYTES:
        raise ValueError(f"{len(text)} bytes are no usage record")
    if holds_zero(text):
        # No consumer could store it, nor any other record of its event.
        raise ValueError("a text holds the character zero")
    # A gateway of a newer version may say more than this relay knows.
    record = UsageRecord.model_validate_json(text, extra="ignore")
    if any(isinstance(value, int) and value > _GREATEST for _, value in record):
        # An event that cannot be written would be tried for ever, and all others behind it.
        raise ValueError("a number beyond 64 bits")
    sealed = fields.get(CONTENT_FIELD.encode(), b"")
    if not sealed or len(sealed) > _CONTENT_BYTES:
        return _Entry(entry_id, len(text), record)
    content = binascii.b2a_base64(sealed, newline=False).decode()
    return _Entry(entry_id, len(text) + len(content), record, content)


def _call(entry: _Entry) -> LlmCall:
    return LlmCall.model_construct(**dict(entry.record), content=entry.content)


def _groups(entries: list[_Entry]) -> Iterator[list[_Entry]]:
    """The entries by tenant, in parts that fit into a message."""
    tenants: dict[str, list[_Entry]] = {}
    for entry in entries:
        tenants.setdefault(entry.record.tenant_id, []).append(entry)
    for members in tenants.values():
        group: list[_Entry] = []
        for member in members:
            if group and sum(entry.size for entry in group) + member.size > _EVENT_BYTES:
                yield group
                group = []
            group.append(member)
        yield group


def _reason(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(_details(error))[:500]
    return str(error)


def _details(error: ValidationError) -> Iterator[str]:
    for detail in error.errors(include_input=False, include_url=False, include_context=False):
        yield f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
