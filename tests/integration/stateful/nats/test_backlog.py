"""What waits for too long to be published is told once, and that it no longer does."""

import time

import orjson
import pytest_asyncio
import redis.asyncio
from nats.js import JetStreamContext

from functions.kit.database import Databases
from functions.kit.subjects import SystemSignal
from stateful.nats.connection import Bus
from stateful.nats.relay.backlog import Backlogs
from stateful.nats.relay.outbox import Outbox
from stateful.nats.relay.settings import RelaySettings
from stateful.nats.relay.tenants import TenantOutboxes
from stateful.nats.relay.usage import STREAM
from tests.integration.stateful.nats.databases import PlatformDatabase, credentials
from tests.integration.stateful.nats.running import Running, event_of
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.test_outbox import relay, stored
from tests.integration.stateful.nats.waiting import eventually

QUICK = RelaySettings(backlog_look_seconds=0.02, backlog_alert_seconds=60)


class Watched:
    """The watch, and what it has told."""

    def __init__(self, backlogs: Backlogs, outboxes: TenantOutboxes, js: JetStreamContext) -> None:
        self.backlogs = backlogs
        self.outboxes = outboxes
        self._js = js

    async def told(self, name: str) -> list[SystemSignal]:
        signals = [
            SystemSignal.model_validate(event.data)
            for event in await stored(self._js)
            if event.type == SystemSignal.subject
        ]
        return [signal for signal in signals if signal.name == name]

    async def states(self, name: str, *wanted: str) -> bool:
        return [signal.state for signal in await self.told(name)] == list(wanted)


@pytest_asyncio.fixture
async def watched(
    database: PlatformDatabase, redis_client: "redis.asyncio.Redis", bus: Bus, js: JetStreamContext, running: Running
) -> Watched:
    tenants = [Databases(database.url, pool_size=1, pools=1, credentials=credentials)]
    directory = Databases(database.url)
    for databases in (directory, *tenants):
        running.stack.push_async_callback(databases.close)
    outboxes = TenantOutboxes(directory, tenants, Outbox(bus, QUICK), QUICK)
    return Watched(Backlogs(redis_client, directory, outboxes, bus, QUICK), outboxes, js)


async def long_ago(client: "redis.asyncio.Redis", seconds: int) -> bytes:
    entry = await client.xadd(STREAM, {"r": orjson.dumps({})}, id=f"{int((time.time() - seconds) * 1000)}-0")
    assert isinstance(entry, bytes)
    return entry


async def test_usage_that_nobody_publishes_is_told_and_its_end(
    watched: Watched, redis_client: "redis.asyncio.Redis", running: Running
) -> None:
    running.task(watched.backlogs.run())
    await eventually(lambda: watched.states("usage", "recovered"))
    old = await long_ago(redis_client, 600)
    await eventually(lambda: watched.states("usage", "recovered", "failing"))
    signal = (await watched.told("usage"))[-1]
    assert (signal.condition, signal.limit, signal.detail) == ("backlog", 60, "1 wait")
    assert 600 <= signal.value < 700
    await redis_client.xdel(STREAM, old)
    await eventually(lambda: watched.states("usage", "recovered", "failing", "recovered"))


async def test_rows_that_stay_in_the_outbox_are_told_until_they_are_gone(
    watched: Watched, database: PlatformDatabase, bus: Bus, running: Running
) -> None:
    await database.emit(event_of())
    await database.connection.execute("UPDATE outbox SET created_at = now() - interval '90 seconds'")
    running.task(watched.backlogs.run())
    await eventually(lambda: watched.states("platform-outbox", "failing"))
    relay(running, database, bus)
    await eventually(lambda: watched.states("platform-outbox", "failing", "recovered"))


async def test_a_tenant_s_outbox_that_cannot_be_read_counts_until_it_is_empty_or_gone(
    watched: Watched, database: PlatformDatabase, running: Running
) -> None:
    lost = await database.add_tenant(with_database=False)
    await database.add_tenant()
    running.task(watched.outboxes.run())
    watched.outboxes.hint(lost)
    watched.outboxes.hint("tenant_of_nobody")
    # The sound one is emptied, the one of nobody forgotten; the lost one goes on to be waited for.
    await eventually(lambda: watched.outboxes.waiting()[0] == 1)
    await eventually(lambda: watched.outboxes.waiting()[1] > 0)
    await database.connection.execute("DELETE FROM tenants WHERE database = $1", lost)
    watched.outboxes.hint("tenant_of_nobody")
    await eventually(lambda: watched.outboxes.waiting() == (0, 0.0))


async def test_what_is_told_while_one_place_is_away_is_the_others(
    watched: Watched, database: PlatformDatabase, redis_process: Server, running: Running
) -> None:
    redis_process.kill()
    await database.emit(event_of())
    await database.connection.execute("UPDATE outbox SET created_at = now() - interval '90 seconds'")
    running.task(watched.backlogs.run())
    await eventually(lambda: watched.states("platform-outbox", "failing"))
    assert await watched.told("usage") == []
    redis_process.start()
    await eventually(lambda: watched.states("usage", "recovered"))
