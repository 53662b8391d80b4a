"""Usage records reach NATS, each at least once and, by its id, exactly once."""

import asyncio
import base64
import time
from pathlib import Path

import orjson
import redis.asyncio
from nats.js import JetStreamContext

from functions.kit.events import Event
from functions.kit.identifiers import new_id
from functions.kit.subjects import LlmCompleted, QuotaUpdated
from stateful.nats.connection import Bus
from stateful.nats.loops import cancel
from stateful.nats.relay.settings import RelaySettings
from stateful.nats.relay.usage import GROUP, POISON, STREAM, UsageRelay
from stateful.nats.streams import CALLS, EVENTS
from tests.integration.stateful.nats.process import Process
from tests.integration.stateful.nats.receiver import Receiver
from tests.integration.stateful.nats.running import Running
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.waiting import eventually

FAST = RelaySettings(usage_claim_seconds=0.2)


def record(tenant_id: str = "t1", **changes: object) -> dict[str, object]:
    return {
        "usageId": new_id(),
        "tenantId": tenant_id,
        "at": "2026-11-01T08:00:00Z",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "operation": "chat",
        "promptTokens": 12,
        "completionTokens": 30,
        "costMicroUsd": 21,
        **changes,
    }


async def settle(client: "redis.asyncio.Redis", *records: dict[str, object]) -> list[str]:
    """Do as the gateway does. Returns the records' ids."""
    async with client.pipeline(transaction=False) as pipeline:
        for one in records:
            pipeline.xadd(STREAM, {"r": orjson.dumps(one)})
        await pipeline.execute()
    return [str(one["usageId"]) for one in records]


def relay(
    running: Running, process: Server, bus: Bus, settings: RelaySettings = FAST
) -> tuple[UsageRelay, "asyncio.Task[None]"]:
    client = redis.asyncio.Redis(port=process.port, protocol=2, socket_timeout=3)
    running.stack.push_async_callback(client.aclose)
    usage = UsageRelay(client, bus, settings, name=new_id(), platform_id="dcoder")
    return usage, running.task(usage.run())


async def published(js: JetStreamContext, stream: str = EVENTS) -> list[Event]:
    last = (await js.stream_info(stream)).state.last_seq
    return [Event.from_json((await js.get_msg(stream, seq)).data or b"") for seq in range(1, last + 1)]


async def usage_ids(js: JetStreamContext) -> list[str]:
    # The dispatcher may also say that somebody is behind.
    updates = [event.data for event in await published(js) if event.type == QuotaUpdated.subject]
    events = [QuotaUpdated.model_validate(data) for data in updates]
    return [one.usage_id for event in events for one in event.records]


def emptied(client: "redis.asyncio.Redis") -> "_Emptied":
    return _Emptied(client)


class _Emptied:
    """Whether every record left the stream, and the group knows of none."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client

    async def __call__(self) -> bool:
        return not await self._client.xlen(STREAM) and not (await self._client.xpending(STREAM, GROUP))["pending"]


async def test_records_are_published_by_tenant(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    ids = await settle(redis_client, *(record(f"t{n % 3}") for n in range(60)))
    relay(running, redis_process, bus)
    await eventually(emptied(redis_client))
    events = await published(js)
    assert sorted(event.tenant_id or "" for event in events) == ["t0", "t1", "t2"]
    assert all(one["tenantId"] == event.tenant_id for event in events for one in event.data["records"])
    assert sorted(await usage_ids(js)) == sorted(ids)
    assert {(event.type, event.source, event.platform_id) for event in events} == {
        ("quota.updated", "/dcoder/gateway", "dcoder")
    }


async def test_calls_are_told_with_what_was_said_in_a_stream_of_their_own(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    sealed = bytes(range(256)) * 900
    said, silent, own = record("t1"), record("t2"), record("t1", internal=True, operation="embeddings")
    await redis_client.xadd(STREAM, {"r": orjson.dumps(said), "c": sealed})
    await settle(redis_client, silent, own)
    relay(running, redis_process, bus)
    await eventually(emptied(redis_client))
    events = [LlmCompleted.model_validate(event.data) for event in await published(js, CALLS)]
    told = {call.usage_id: call.content for event in events for call in event.calls}
    assert told == {said["usageId"]: base64.b64encode(sealed).decode(), silent["usageId"]: None}
    assert sorted(await usage_ids(js)) == sorted(str(one["usageId"]) for one in (said, silent, own))


async def test_long_contents_are_told_in_events_that_nats_takes(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    for _ in range(12):
        await redis_client.xadd(STREAM, {"r": orjson.dumps(record()), "c": b"x" * 140_000})
    await redis_client.xadd(STREAM, {"r": orjson.dumps(record()), "c": b"x" * 1_000_000})
    relay(running, redis_process, bus)
    await eventually(emptied(redis_client))
    events = [LlmCompleted.model_validate(event.data) for event in await published(js, CALLS)]
    calls = [call for event in events for call in event.calls]
    assert (len(calls), sum(call.content is None for call in calls)) == (13, 1)
    assert len(await usage_ids(js)) == 13


async def test_a_record_is_published_within_milliseconds(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    relay(running, redis_process, bus)
    await settle(redis_client, record())
    await eventually(emptied(redis_client))
    subscription = await js.subscribe("quota.updated", ordered_consumer=True)
    await subscription.next_msg(timeout=2)
    began = time.monotonic()
    await settle(redis_client, record())
    await subscription.next_msg(timeout=2)
    assert time.monotonic() - began < 0.1
    await subscription.unsubscribe()


async def test_what_cannot_be_read_is_set_aside(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    good = await settle(redis_client, record(), record(promptTokens=-1), record(aFieldOfTomorrow=1))
    await redis_client.xadd(STREAM, {"r": b"\xff{"})
    await redis_client.xadd(STREAM, {"x": b"no record"})
    great = orjson.dumps(record()).replace(b"}", b', "latencyMs": 123456789012345678901234567890}')
    await redis_client.xadd(STREAM, {"r": great})
    await redis_client.xadd(STREAM, {"r": orjson.dumps(record(requestId="zero \0"))})
    good += await settle(redis_client, record())
    relay(running, redis_process, bus)
    await eventually(emptied(redis_client))
    assert await usage_ids(js) == [good[0], good[2], good[3]]
    aside: list[tuple[bytes, dict[bytes, bytes]]] = await redis_client.xrange(POISON)  # type: ignore[assignment]
    reasons = [fields[b"reason"].decode() for _, fields in aside]
    assert reasons[0].startswith("promptTokens")
    assert reasons[2:] == ["no field r", "a number beyond 64 bits", "a text holds the character zero"]


def crossing(**changes: object) -> dict[str, object]:
    return {
        "tenantId": "t1",
        "quotaId": new_id(),
        "subject": {"kind": "user", "id": "anna"},
        "metric": "tokens",
        "window": "month",
        "windowStart": "2026-11-01T00:00:00.000000Z",
        "limit": 1000,
        "threshold": 80,
        "used": 803,
        **changes,
    }


async def test_a_crossed_threshold_is_told_once_however_often_it_is_settled(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    first = crossing()
    others = [crossing(quotaId=first["quotaId"], **changes) for changes in ({"threshold": 90}, {"limit": 2000})]
    for one in (first, *others, {**first, "used": 812}, first):
        await redis_client.xadd(STREAM, {"q": orjson.dumps(one)})
    await redis_client.xadd(STREAM, {"q": b'{"threshold": 80}'})
    ids = await settle(redis_client, record())
    relay(running, redis_process, bus)
    await eventually(emptied(redis_client))
    events = await published(js)
    told = [event for event in events if event.type == "quota.threshold"]
    assert [(e.data["threshold"], e.data["limit"], e.data["used"]) for e in told] == [
        (80, 1000, 803),
        (90, 1000, 803),
        (80, 2000, 803),
    ]
    assert {(event.tenant_id, event.source) for event in told} == {("t1", "/dcoder/gateway")}
    assert told[0].data["subject"] == {"kind": "user", "id": "anna"}
    assert [one["usageId"] for event in events if event.type == "quota.updated" for one in event.data["records"]] == ids
    assert await redis_client.xlen(POISON) == 1


async def test_many_large_records_make_several_events(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    ids = await settle(redis_client, *(record(model="m" * 10_000) for _ in range(150)))
    relay(running, redis_process, bus)
    await eventually(emptied(redis_client))
    assert sorted(await usage_ids(js)) == sorted(ids)
    assert len(await published(js)) == 4


async def test_records_of_a_relay_killed_between_publishing_and_acknowledging_are_counted_once(
    redis_client: "redis.asyncio.Redis",
    redis_process: Server,
    nats: Server,
    js: JetStreamContext,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    ids = await settle(redis_client, *(record(f"t{n % 2}") for n in range(40)))
    # The first relay may not acknowledge: it stays between publishing and acknowledging until it is killed.
    await redis_client.acl_setuser(
        "hindered", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-xack"]
    )
    address = f"127.0.0.1:{redis_process.port}/0"
    hindered = Process(tmp_path / "1", nats, receiver.url, DCODER_REDIS_URL=f"redis://hindered:secret@{address}")
    second = Process(
        tmp_path / "2",
        nats,
        receiver.url,
        DCODER_REDIS_URL=f"redis://{address}",
        DCODER_RELAY_USAGE_CLAIM_SECONDS="0.2",
    )
    try:
        hindered.launch()

        async def all_published() -> bool:
            return len(await usage_ids(js)) == 40

        await eventually(all_published, seconds=15)
        hindered.kill()
        assert await redis_client.xlen(STREAM) == 40
        ids += await settle(redis_client, *(record(f"t{n % 2}") for n in range(10)))
        second.launch()
        await eventually(emptied(redis_client), seconds=15)
        everything = await usage_ids(js)
        assert set(everything) == set(ids)
        # The same entries made the same events, which NATS dropped.
        assert len(everything) == len(ids)
    finally:
        hindered.kill()
        second.kill()
        await redis_client.acl_deluser("hindered")


async def test_nothing_is_lost_while_nats_is_away(
    nats: Server, redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, running: Running
) -> None:
    relay(running, redis_process, bus)
    nats.kill()
    await eventually(lambda: not bus.ready)
    ids = await settle(redis_client, *(record() for _ in range(10)))
    await eventually(lambda: _pending(redis_client, 10))
    ids += await settle(redis_client, *(record() for _ in range(10)))
    nats.start()
    await eventually(emptied(redis_client))
    _, js = await bus.session()
    assert sorted(await usage_ids(js)) == sorted(ids)


async def _pending(client: "redis.asyncio.Redis", count: int) -> bool:
    try:
        return bool((await client.xpending(STREAM, GROUP))["pending"] == count)
    except redis.exceptions.ResponseError:
        # The relay has not made its group yet.
        return False


async def test_nothing_is_lost_when_redis_restarts(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    relay(running, redis_process, bus)
    first = await settle(redis_client, record())
    await eventually(emptied(redis_client))
    redis_process.kill()
    redis_process.start()
    second = await settle(redis_client, record())
    await eventually(emptied(redis_client))
    assert await usage_ids(js) == first + second


async def test_a_group_that_is_gone_is_made_again(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    relay(running, redis_process, bus)
    await settle(redis_client, record())
    await eventually(emptied(redis_client))
    await redis_client.flushall()
    await settle(redis_client, record())

    async def both() -> bool:
        return len(await usage_ids(js)) == 2

    await eventually(both)


async def test_a_relay_that_stops_leaves_nothing_behind(
    redis_client: "redis.asyncio.Redis", redis_process: Server, bus: Bus, js: JetStreamContext, running: Running
) -> None:
    usage, task = relay(running, redis_process, bus)
    ids = await settle(redis_client, record())
    await eventually(emptied(redis_client))
    await cancel([task])
    # Read by this relay, and not published when it was told to stop.
    ids += await settle(redis_client, record())
    await redis_client.xreadgroup(GROUP, usage.name, {STREAM: ">"})
    await usage.drain()
    assert await usage_ids(js) == ids
    assert await redis_client.xinfo_consumers(STREAM, GROUP) == []
