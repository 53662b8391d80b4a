"""Records and what was said in their calls: at once, from the disk after a Redis that was away or full, and late."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.gateway.adapters.redis_link import RedisAway, RedisRefused
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.adapters.spool import Spool
from functions.gateway.core.quota import Need, holds
from functions.kit.errors import DependencyUnavailable
from functions.kit.quotas import PENDING, span_of
from tests.integration.quotas.gateways import NOON, Books, Directory, limit, meters, record
from tests.integration.stateful.nats.servers import Server

pytestmark = pytest.mark.integration


async def test_what_was_said_goes_with_the_record_until_too_much_waits(
    books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1, most_with_content=2)
    for content in (b"one", b"", b"three"):
        await gateway.begin(record(), [], held=False, content=content).finish()
    entries: list[Any] = await books.client.xrange(PENDING)  # type: ignore[assignment]
    assert [fields.get(b"c") for _, fields in entries] == [b"one", None, None]
    assert all(b"r" in fields for _, fields in entries)


async def test_what_was_said_waits_on_disk_with_its_record(
    books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    redis_process.kill()
    said = record()
    await gateway.begin(said, [], held=False, content=b"\n\t\0 sealed").finish()
    redis_process.start()
    spool = gateway._spool
    assert await _replayed(spool, gateway) == 1
    entries: list[Any] = await books.client.xrange(PENDING)  # type: ignore[assignment]
    assert [fields[b"c"] for _, fields in entries] == [b"\n\t\0 sealed"]
    assert [one["usageId"] for one in await books.told("r")] == [said.usage_id]


async def test_what_is_counted_late_leaves_no_counter_behind(
    books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    minute = limit(9, window="minute")
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1, Directory(minute))
    began = NOON - timedelta(hours=2)
    late, timely = record(at=began, prompt_tokens=5), record(prompt_tokens=4)
    for one in (late, timely):
        await gateway.replay(one.model_dump_json(by_alias=True).encode())
    assert [one["usageId"] for one in await books.told("r")] == [late.usage_id, timely.usage_id]
    assert not await books.client.exists(minute.key(span_of("minute", began)))
    assert (await books.of(minute), await books.client.ttl(minute.key(span_of("minute", NOON))) > 0) == ((4, 0), True)


async def test_a_full_redis_holds_nothing_and_what_ends_meanwhile_waits_on_disk(
    books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    hard = limit(100)
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1, Directory(hard))
    under_way = record(prompt_tokens=5)
    held = holds([hard], Need(tokens=9), NOON)
    await gateway.reserve(under_way, held, 0)
    await books.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(DependencyUnavailable):
            await gateway.reserve(record(), held, 0)
        await gateway.begin(under_way, [hard], held=True).finish()
        with pytest.raises(RedisRefused, match="OOM"):
            await gateway._spool.replay_once(gateway.replay)
        assert (await books.of(hard), await books.told("r")) == ((0, 9), [])
    finally:
        await books.client.config_set("maxmemory", 0)
    assert await _replayed(gateway._spool, gateway) == 1
    assert [one["usageId"] for one in await books.told("r")] == [under_way.usage_id]
    assert (await books.of(hard), await books.held()) == ((5, 0), (0, 0))


async def _replayed(spool: Spool, gateway: RedisMeter) -> int:
    async with asyncio.timeout(20):
        while True:
            try:
                return await spool.replay_once(gateway.replay)
            except RedisAway:
                await asyncio.sleep(0.05)
