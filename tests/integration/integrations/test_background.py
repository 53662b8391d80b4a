"""Documents that are read in the background: by the stack's worker, and by workers that are killed."""

import asyncio
import copy
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
import pytest
import redis.asyncio

from functions.integrations.adapters.celery_queue import QUEUE, CeleryQueue
from functions.integrations.core.mcp_servers import MOST_PENDING
from functions.kit.clock import utc_now
from functions.kit.context import RequestContext, serving
from functions.kit.errors import DependencyUnavailable
from scenarios.chaos.gateways import environment_of
from tests.integration.conftest import NewTenant
from tests.integration.integrations.conftest import DOCUMENT, Pets
from tests.integration.integrations.test_mcp import connected, path
from tests.integration.stateful.nats.servers import Server, free_port, redis_server
from tests.platform import Api, Platform, Tenant, eventually

pytestmark = pytest.mark.integration

OPERATIONS = ["getPet", "createPet"]


def by_address(pets: Pets, where: str = "/openapi.json", **more: Any) -> dict[str, Any]:
    return {
        "title": "Pets",
        "openapiUrl": pets.base_url + where,
        "baseUrl": pets.base_url,
        "operations": OPERATIONS,
        **more,
    }


async def settled(api: Api, tenant: Tenant) -> dict[str, Any]:
    """The server once its document was read, or could not be."""

    async def done() -> dict[str, Any] | None:
        reply = await api.call("GET", path(tenant))
        assert reply.status == 200, reply.body
        return None if reply.body["state"] == "pending" else dict(reply.body)

    return await eventually(done, seconds=60) or {}


async def test_a_server_is_made_of_what_is_at_the_address(api: Api, as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    stored = await as_tenant.call("PUT", path(tenant), by_address(pets))
    assert (stored.status, stored.body["state"], stored.body["tools"]) == (200, "pending", [])
    server = await settled(as_tenant, tenant)
    assert (server["state"], server["reason"], server["changes"]) == ("ready", "", [])
    assert [tool["name"] for tool in server["tools"]] == OPERATIONS
    assert server["readAt"]
    # The document is read by whoever may read it: no credential goes there.
    assert "authorization" not in pets.seen[0][2]
    async with connected(api, tenant.key) as client:
        assert not (await client.call_tool("getPet", {"petId": "7"})).is_error


async def test_what_has_changed_is_said_and_serves_meanwhile(as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    await as_tenant.call("PUT", path(tenant), by_address(pets))
    await settled(as_tenant, tenant)
    pets.document = copy.deepcopy(DOCUMENT)
    pets.document["paths"]["/pets"]["post"]["summary"] = "Send all pets elsewhere"
    again = await as_tenant.call("PUT", path(tenant), by_address(pets))
    assert (again.body["state"], len(again.body["tools"])) == ("pending", 2)
    server = await settled(as_tenant, tenant)
    assert (server["state"], server["changes"]) == ("ready", ["createPet"])
    # What cannot be had leaves what there is.
    pets.status = 404
    await as_tenant.call("PUT", path(tenant), by_address(pets))
    server = await settled(as_tenant, tenant)
    assert (server["state"], server["reason"]) == ("failed", "the address answered 404")
    assert len(server["tools"]) == 2


@pytest.mark.parametrize(
    ("where", "raw", "reason"),
    [
        ("/moved", b"", "redirects are not followed"),
        ("/huge", b"", "more than 2097152 bytes"),
        ("/raw", b"openapi: 3.1.0", "no JSON"),
        ("/raw", b"[1]", "no JSON object"),
        ("/raw", b'{"openapi": "3.1.0", "x": "\\u0000"}', "cannot be stored"),
        ("/raw", b'{"a":' * 100_000, "no JSON"),
        ("/raw", b"{}", "OpenAPI"),
        ("/raw", b'{"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}}', "getPet"),
    ],
)
async def test_what_is_no_document_is_told(
    as_tenant: Api, tenant: Tenant, pets: Pets, where: str, raw: bytes, reason: str
) -> None:
    pets.raw = raw
    await as_tenant.call("PUT", path(tenant), by_address(pets, where))
    server = await settled(as_tenant, tenant)
    assert server["state"] == "failed"
    assert reason in server["reason"]
    assert server["tools"] == []


async def test_what_is_refused_at_once(as_tenant: Api, tenant: Tenant, pets: Pets) -> None:
    for change, status, code in (
        ({"openapiUrl": "http://169.254.169.254/latest"}, 400, "egress_denied"),
        ({"openapiUrl": "https://localhost/openapi.json"}, 400, "egress_denied"),
        ({"openapiUrl": "file:///etc/passwd"}, 422, "validation_failed"),
        ({"baseUrl": None}, 422, "openapi_refused"),
        ({"openapi": DOCUMENT}, 422, "validation_failed"),
        ({"openapiUrl": None}, 422, "validation_failed"),
    ):
        reply = await as_tenant.call("PUT", path(tenant), {**by_address(pets), **change})
        assert (reply.status, reply.code) == (status, code), reply.body
    assert not pets.seen


@dataclass
class Shop:
    """A queue and workers of this test's own, on the platform's databases."""

    folder: Path
    queue_server: Server
    environment: dict[str, str]
    queue: CeleryQueue
    database: asyncpg.Connection
    tenant: Tenant
    workers: list[Server]

    @property
    def url(self) -> str:
        return f"redis://{self.queue_server.address}/1"

    async def hire(self, **settings: str) -> Server:
        port = free_port()
        folder = self.folder / f"worker-{len(self.workers)}"
        folder.mkdir()
        worker = Server(
            [sys.executable, "-P", "-m", "stateful.celery"],
            port=port,
            folder=folder,
            environment={**self.environment, "DCODER_QUEUE_URL": self.url, "PORT": str(port), **settings},
        )
        await asyncio.to_thread(worker.start)
        self.workers.append(worker)
        return worker

    def children(self) -> list[psutil.Process]:
        process = self.workers[-1]._process
        assert process is not None
        return list(psutil.Process(process.pid).children())

    async def ask(self, requested_at: datetime, **columns: str) -> None:
        """Have the document read that the server is waiting for since then."""
        query = "UPDATE mcp_servers SET state = 'pending', requested_at = $1, document_url = $2"
        await self.database.execute(query, requested_at, columns["document_url"])
        with serving(RequestContext(request_id="asked-by-this-test")):
            await self.queue.read_document(self.tenant.id, "pets", requested_at)

    async def state(self) -> str:
        return str(await self.database.fetchval("SELECT state FROM mcp_servers"))


@pytest.fixture
async def shop(platform: Platform, as_tenant: Api, tenant: Tenant, pets: Pets) -> AsyncIterator[Shop]:
    folder = Path(tempfile.mkdtemp(prefix="dcoder-celery-"))
    server = redis_server(folder / "redis")
    server.start()
    # Registered with a document: the stack's own worker has nothing to do with it.
    body = {"title": "Pets", "openapi": DOCUMENT, "baseUrl": pets.base_url, "operations": OPERATIONS}
    stored = await as_tenant.call("PUT", path(tenant), body)
    assert stored.status == 200, stored.body
    admin = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    database = await asyncpg.connect(f"{admin}/{tenant.database}")
    environment = {
        **environment_of(platform.pid("integrations-worker")),
        "DCODER_CELERY_SOFT_SECONDS": "1",
        "DCODER_CELERY_HARD_SECONDS": "1.5",
        "DCODER_CELERY_VISIBILITY_SECONDS": "2",
        "DCODER_CELERY_PAUSE_SECONDS": "0.2",
    }
    queue = CeleryQueue(f"redis://{server.address}/1")
    made = Shop(folder, server, environment, queue, database, tenant, [])
    try:
        yield made
    finally:
        for worker in made.workers:
            await asyncio.to_thread(worker.stop)
        await queue.close()
        await database.close()
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


LONG = {
    "DCODER_CELERY_SOFT_SECONDS": "20",
    "DCODER_CELERY_HARD_SECONDS": "30",
    "DCODER_CELERY_VISIBILITY_SECONDS": "40",
}


def asked(pets: Pets, where: str = "/slow.json") -> int:
    return sum(seen[1] == where for seen in pets.seen)


def happens(what: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return what()

    return probe


async def test_a_worker_that_is_killed_loses_nothing(shop: Shop, pets: Pets) -> None:
    worker = await shop.hire(DCODER_CELERY_SOFT_SECONDS="1.8", DCODER_CELERY_HARD_SECONDS="1.9")
    await shop.ask(utc_now(), document_url=f"{pets.base_url}/slow.json")
    await eventually(happens(lambda: asked(pets) == 1), seconds=30)
    # Both: the process that works on it would otherwise come to its end.
    for child in shop.children():
        child.kill()
    worker.kill()
    assert await shop.state() == "pending"
    pets.let_go.set()
    await shop.hire()
    await eventually(lambda: ready(shop), seconds=60)
    assert asked(pets) == 2


async def ready(shop: Shop) -> bool:
    return await shop.state() == "ready"


async def failed(shop: Shop) -> bool:
    return await shop.state() == "failed"


async def test_a_process_that_is_killed_has_its_task_done_by_another(shop: Shop, pets: Pets) -> None:
    await shop.hire(**LONG)
    await shop.ask(utc_now(), document_url=f"{pets.base_url}/slow.json")
    await eventually(happens(lambda: asked(pets) == 1), seconds=30)
    for child in shop.children():
        child.kill()
    pets.let_go.set()
    # At once, not after the time for which a dead worker is waited for.
    await eventually(lambda: ready(shop), seconds=20)
    assert asked(pets) == 2


async def test_a_document_that_ends_its_workers_is_given_up(shop: Shop, pets: Pets) -> None:
    await shop.hire(**LONG)
    await shop.database.execute("UPDATE mcp_servers SET begun = 4")
    await shop.ask(utc_now(), document_url=f"{pets.base_url}/slow.json")
    await eventually(happens(lambda: asked(pets) == 1), seconds=30)
    for child in shop.children():
        child.kill()
    await eventually(lambda: failed(shop), seconds=20)
    assert "5 times" in await shop.database.fetchval("SELECT reason FROM mcp_servers")
    assert asked(pets) == 1
    pets.let_go.set()


async def test_a_queue_that_goes_away_and_comes_back_has_what_it_had(shop: Shop, pets: Pets) -> None:
    await shop.ask(utc_now(), document_url=f"{pets.base_url}/openapi.json")
    shop.queue_server.kill()
    with pytest.raises(DependencyUnavailable):
        await shop.queue.read_document(shop.tenant.id, "pets", utc_now())
    worker = shop.hire(**LONG)
    hired = asyncio.ensure_future(worker)
    await asyncio.to_thread(shop.queue_server.start)
    await hired
    await eventually(lambda: ready(shop), seconds=30)


async def test_what_is_away_is_tried_again_and_then_told(shop: Shop, pets: Pets) -> None:
    await shop.hire(**LONG, DCODER_CELERY_TRIES="3")
    pets.status = 503
    await shop.ask(utc_now(), document_url=f"{pets.base_url}/openapi.json")
    await eventually(happens(lambda: asked(pets, "/openapi.json") >= 1), seconds=30)
    await eventually(lambda: failed(shop), seconds=30)
    assert asked(pets, "/openapi.json") == 3
    row = await shop.database.fetchrow("SELECT reason, begun FROM mcp_servers")
    # None of them has ended a worker.
    assert tuple(row or ()) == ("the address answered 503, however often it was tried", 1)


async def test_tasks_that_come_twice_or_too_late_do_nothing(shop: Shop, pets: Pets) -> None:
    await shop.hire(**LONG)
    first = utc_now()
    await shop.ask(first, document_url=f"{pets.base_url}/openapi.json")
    await eventually(lambda: ready(shop), seconds=30)
    # Told twice; and of a registration that another one has followed.
    await shop.queue.read_document(shop.tenant.id, "pets", first)
    await shop.queue.read_document(shop.tenant.id, "another", first)
    second = utc_now()
    await shop.ask(second, document_url=f"{pets.base_url}/openapi.json?again")
    await eventually(lambda: ready(shop), seconds=30)
    client = redis.asyncio.Redis.from_url(shop.url, protocol=2)

    async def empty() -> bool:
        return await client.llen(QUEUE) == await client.hlen("unacked") == 0

    await eventually(empty, seconds=20)
    await client.aclose()
    assert [seen[1] for seen in pets.seen] == ["/openapi.json", "/openapi.json?again"]
    assert "asked-by-this-test" in shop.workers[0].log()


async def test_a_tenant_s_broken_database_is_asked_ever_more_seldom_until_it_is_mended(
    shop: Shop, platform: Platform, pets: Pets
) -> None:
    await shop.hire(**LONG)
    admin = await asyncpg.connect(platform.status["credentials"]["postgresAdminUrl"])
    await admin.execute(f"ALTER DATABASE {shop.tenant.database} ALLOW_CONNECTIONS false")
    await shop.ask(utc_now(), document_url=f"{pets.base_url}/openapi.json")

    def pauses() -> list[float]:
        told = [orjson.loads(line) for line in shop.workers[0].log().splitlines() if "tried again" in line]
        return [line["pause"] for line in told]

    await eventually(happens(lambda: len(pauses()) >= 3), seconds=30)
    assert pauses() == sorted(pauses())
    assert pauses()[-1] > pauses()[0]
    await admin.execute(f"ALTER DATABASE {shop.tenant.database} ALLOW_CONNECTIONS true")
    await admin.close()
    await eventually(lambda: ready(shop), seconds=30)


async def test_nobody_is_asked_for_a_suspended_tenant(shop: Shop, operator: Api, pets: Pets) -> None:
    worker, address = await shop.hire(**LONG), f"/v1/tenants/{shop.tenant.id}"
    assert (await operator.call("PATCH", address, {"status": "suspended"})).status == 200
    asked_at = utc_now()
    await shop.ask(asked_at, document_url=f"{pets.base_url}/openapi.json")
    await eventually(happens(lambda: '"suspended"' in worker.log()), seconds=30)
    assert (await shop.state(), pets.seen) == ("pending", [])
    assert (await operator.call("PATCH", address, {"status": "active"})).status == 200
    await shop.queue.read_document(shop.tenant.id, "pets", asked_at)
    await eventually(lambda: ready(shop), seconds=30)


async def test_a_task_of_long_ago_is_given_up(shop: Shop, pets: Pets) -> None:
    await shop.hire(**LONG)
    await shop.ask(utc_now() - timedelta(hours=25), document_url=f"{pets.base_url}/openapi.json")
    await eventually(happens(lambda: "a task is given up" in shop.workers[0].log()), seconds=30)
    assert not pets.seen


async def test_a_tenant_has_so_many_documents_waiting_and_no_more(
    new_tenant: NewTenant, platform: Platform, as_tenant: Api, tenant: Tenant, pets: Pets
) -> None:
    body = {"title": "Pets", "openapi": DOCUMENT, "baseUrl": pets.base_url, "operations": OPERATIONS}
    admin = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    for number in range(MOST_PENDING):
        assert (await as_tenant.call("PUT", path(tenant, f"pets-{number}"), body)).status == 200
    database = await asyncpg.connect(f"{admin}/{tenant.database}")
    await database.execute("UPDATE mcp_servers SET state = 'pending', requested_at = now()")
    reply = await as_tenant.call("PUT", path(tenant), by_address(pets))
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "too_many_pending", "30")
    # One of them again is none more; and it is nobody else's trouble.
    assert (await as_tenant.call("PUT", path(tenant, "pets-0"), by_address(pets))).status == 200
    other = await new_tenant()
    assert (await as_tenant.as_(other.key).call("PUT", path(other), by_address(pets))).status == 200
    await database.execute("UPDATE mcp_servers SET state = 'ready' WHERE name = 'pets-1'")
    await database.close()
    assert (await as_tenant.call("PUT", path(tenant), by_address(pets))).status == 200
