"""Documents that nobody comes to read are asked for again, in every tenant's database, beside a real queue."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio

from functions.integrations.adapters.celery_queue import QUEUE, CeleryQueue, producer
from functions.integrations.adapters.outbox import OutboxEvents
from functions.integrations.adapters.postgres_pending import PostgresPending
from functions.integrations.core.remind import RemindOfDocuments
from functions.kit.clock import utc_now
from functions.kit.context import RequestContext, serving
from functions.kit.database import Databases, UnitOfWork
from functions.kit.database_directory import PostgresDirectory
from functions.kit.each_database import EachDatabase
from functions.kit.errors import DependencyUnavailable
from functions.kit.identifiers import new_id
from tests.integration.stateful.nats.databases import PlatformDatabase, credentials
from tests.integration.stateful.nats.servers import Server

HOUR = timedelta(hours=1)
PENDING = """
    INSERT INTO mcp_servers (id, name, title, description, document, base_url, operations, auth, created_at, updated_at,
                             document_url, state, requested_at)
    VALUES ($1, $2, '', '', '{}', 'https://a', '{}', '{}', now(), now(), 'https://a/openapi.json', 'pending', $3)
"""
EVENTS = "SELECT payload FROM outbox WHERE subject = 'mcp.requested' AND published_at IS NULL ORDER BY id"


@dataclass(frozen=True)
class Shop:
    """What a test asks and does."""

    database: PlatformDatabase
    databases: Databases
    queue: CeleryQueue
    url: str

    async def remind(self) -> int:
        remind = RemindOfDocuments(
            EachDatabase(PostgresDirectory(self.databases), at_once=2, page=2),
            PostgresPending(),
            self.queue,
            OutboxEvents(),
            begin=lambda: UnitOfWork(self.databases),
            now=utc_now,
        )
        with serving(RequestContext()):
            return await remind()

    async def registered(self, tenant: str, *names: str, ago: timedelta = HOUR) -> datetime:
        """Some that are waited for since then."""
        at = utc_now() - ago
        for name in names:
            await self.database.at(tenant, PENDING, new_id(), name, at)
        return at

    async def queued(self, tenant: str, name: str, at: datetime) -> None:
        """As `integrations-enqueue` does."""
        tenant_id = await self.database.connection.fetchval("SELECT id::text FROM tenants WHERE database = $1", tenant)
        with serving(RequestContext()):
            await self.queue.read_document(tenant_id, name, at)

    async def told(self, tenant: str) -> list[dict[str, Any]]:
        """What the relay would tell."""
        async with self.databases.acquire(tenant) as session:
            return [row["payload"] for row in await session.fetch(EVENTS)]

    async def row(self, tenant: str) -> asyncpg.Record:
        async with self.databases.acquire(tenant) as session:
            row = await session.fetchrow("SELECT state, reason, reminded_at FROM mcp_servers")
        assert row
        return row


@pytest_asyncio.fixture
async def shop(
    database: PlatformDatabase, redis_process: Server, redis_client: redis.asyncio.Redis
) -> AsyncIterator[Shop]:
    databases = Databases(database.url, pool_size=2, pools=3, credentials=credentials)
    url = f"redis://{redis_process.address}/0"
    queue = CeleryQueue(url)
    yield Shop(database, databases, queue, url)
    await queue.close()
    await databases.close()


async def test_what_is_lost_is_asked_for_and_what_waits_is_not(shop: Shop) -> None:
    lost, broken, waiting, fresh = [
        await shop.database.add_tenant(with_database=made) for made in (True, False, True, True)
    ]
    at = await shop.registered(lost, "pets", "shops")
    await shop.registered(fresh, "pets", ago=timedelta(minutes=29))
    await shop.queued(waiting, "pets", await shop.registered(waiting, "pets"))
    with pytest.raises(DependencyUnavailable, match=f"1 of 4 databases: {broken}"):
        await shop.remind()
    told = await shop.told(lost)
    assert [event["data"]["name"] for event in told] == ["pets", "shops"]
    assert {datetime.fromisoformat(event["data"]["requestedAt"]) for event in told} == {at}
    assert {event["tenantid"] for event in told} == {told[0]["data"]["tenantId"]}
    assert not await shop.told(waiting) + await shop.told(fresh)


async def test_what_a_worker_has_begun_is_not_asked_for(shop: Shop) -> None:
    tenant = await shop.database.add_tenant()
    at = await shop.registered(tenant, "pets")
    await shop.queued(tenant, "pets", at)
    app = producer(shop.url)
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as taking:
        message = await asyncio.to_thread(taking.get)
        # An earlier registration of the same server waits as well: it is not this one.
        await shop.queued(tenant, "pets", at - HOUR)
        assert await shop.remind() == 0
        message.ack()
        assert await shop.remind() == 1
    app.close()


async def test_a_long_queue_is_looked_through(shop: Shop, redis_client: redis.asyncio.Redis) -> None:
    tenant = await shop.database.add_tenant()
    at = await shop.registered(tenant, "pets")
    await shop.queued(tenant, "pets", at)
    # Newer ones, and what nobody can read.
    for other in ("{}", "[]", "[[1]]", "no JSON", '{"body": "e30="}', '{"body": "W1tbXV1d"}'):
        await redis_client.lpush(QUEUE, *[other] * 150)
    assert await shop.remind() == 0
    await redis_client.rpop(QUEUE)
    assert await shop.remind() == 1


async def test_two_at_once_and_the_next_ask_once(shop: Shop) -> None:
    tenant = await shop.database.add_tenant()
    await shop.registered(tenant, "pets", "shops")
    assert sum(await asyncio.gather(*(shop.remind() for _ in range(4)))) == 2
    assert len(await shop.told(tenant)) == 2
    # Long ago, but still in the outbox: it is not lost, the relay is late.
    await shop.database.at(tenant, "UPDATE mcp_servers SET reminded_at = now() - interval '1 hour'")
    assert await shop.remind() == 0
    await shop.database.at(tenant, "UPDATE outbox SET published_at = now()")
    assert await shop.remind() == 2
    await shop.database.at(tenant, "UPDATE outbox SET published_at = now()")
    assert await shop.remind() == 0


async def test_what_nothing_comes_of_has_failed(shop: Shop) -> None:
    tenant = await shop.database.add_tenant()
    at = await shop.registered(tenant, "pets", ago=timedelta(hours=25))
    await shop.queued(tenant, "pets", at)
    assert await shop.remind() == 0
    row = await shop.row(tenant)
    assert (row["state"], "within 24 hours" in row["reason"]) == ("failed", True)


async def test_while_the_queue_is_away_nothing_is_asked_for(shop: Shop, redis_process: Server) -> None:
    tenant = await shop.database.add_tenant()
    await shop.registered(tenant, "pets")
    redis_process.kill()
    with pytest.raises(DependencyUnavailable, match="queue"):
        await shop.remind()
    assert not await shop.told(tenant)
    assert (await shop.row(tenant))["reminded_at"] is None
    await asyncio.to_thread(redis_process.start)
    assert await shop.remind() == 1
