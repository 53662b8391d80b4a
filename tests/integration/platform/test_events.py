"""The context's event functions, as the dispatcher calls them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2 as httpx
import orjson
import pytest

from functions.kit.catalogue import load_catalogue
from functions.kit.database import UnitOfWork
from functions.kit.eventing import event_app
from functions.kit.events import CONTENT_TYPE, Event, EventData
from functions.kit.principal import hash_api_key
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings, load_settings
from functions.kit.subjects import QuotaUpdated, TenantUpdated
from functions.platform.core.models import ProvisionedTenant
from functions.platform.core.sync_edge import SyncEdge
from functions.platform.wiring import Platform
from tests.integration.platform.test_usage import record

pytestmark = pytest.mark.integration


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings as the environment's: an event function finds its runtime by itself."""
    monkeypatch.setenv("DCODER_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("DCODER_KEK_FILE", str(settings.kek_file))
    monkeypatch.setenv("DCODER_EDGE_DIR", str(settings.edge_dir))


@asynccontextmanager
async def function(name: str) -> AsyncIterator[httpx.AsyncClient]:
    load_settings.cache_clear()
    app = event_app(load_catalogue().by_name(name))
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://function") as client,
        ):
            yield client
    finally:
        load_settings.cache_clear()


async def deliver(client: httpx.AsyncClient, event: Event) -> int:
    answer = await client.post("/", content=event.to_json(), headers={"content-type": CONTENT_TYPE})
    return answer.status_code


def event(data: EventData, tenant: ProvisionedTenant) -> Event:
    return Event.of(data, tenant_id=tenant.tenant.id, source="/dcoder/gateway")


@pytest.mark.usefixtures("environment")
async def test_usage_is_mirrored_once(tenant: ProvisionedTenant, runtime: Runtime) -> None:
    metered = record(tenant)
    first = event(QuotaUpdated(tenant_id=tenant.tenant.id, records=[metered]), tenant)
    again = event(QuotaUpdated(tenant_id=tenant.tenant.id, records=[metered, record(tenant)]), tenant)
    async with function("platform-quota-mirror") as client:
        assert [await deliver(client, told) < 300 for told in (first, first, again)] == [True] * 3
    async with runtime.databases.acquire() as session:
        query = "SELECT sum(requests) FROM usage_hourly WHERE tenant_id = $1"
        assert await session.fetchval(query, tenant.tenant.id) == 2


@pytest.mark.usefixtures("environment")
async def test_an_event_that_says_something_else_is_refused_for_good(tenant: ProvisionedTenant) -> None:
    good = event(QuotaUpdated(tenant_id=tenant.tenant.id, records=[record(tenant)]), tenant)
    async with function("platform-quota-mirror") as client:
        for data in (
            {},
            {**good.data, "records": []},
            {**good.data, "records": [{**good.data["records"][0], "at": 1e30}]},
        ):
            document = {**orjson.loads(good.to_json()), "data": data}
            answer = await client.post("/", content=json.dumps(document), headers={"content-type": CONTENT_TYPE})
            assert answer.status_code == 400, answer.text


@pytest.mark.usefixtures("environment")
async def test_the_edge_is_told_of_every_tenant(tenant: ProvisionedTenant, settings: Settings) -> None:
    told = event(TenantUpdated(tenant_id=tenant.tenant.id, changed=["status"]), tenant)
    async with function("platform-edge-sync") as client:
        assert await deliver(client, told) < 300
    assert settings.edge_dir is not None
    known = {entry["id"]: entry for entry in edge_tenants(settings.edge_dir)}
    assert known[tenant.tenant.id] == {
        "id": tenant.tenant.id,
        "plan": "standard",
        "status": "active",
        "keys": [hash_api_key(tenant.api_key.secret)],
        "revoked": [],
        "perMinute": None,
    }


async def test_a_revoked_key_is_told_as_such(
    tenant: ProvisionedTenant, settings: Settings, runtime: Runtime, use: Platform
) -> None:
    async with runtime.databases.acquire() as session:
        await session.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", tenant.api_key.id)
        await session.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", tenant.tenant.id)
    for _ in range(2):
        async with UnitOfWork(runtime.databases):
            await use.sync_edge()
    assert settings.edge_dir is not None
    known = {entry["id"]: entry for entry in edge_tenants(settings.edge_dir)}[tenant.tenant.id]
    assert known["status"] == "suspended"
    assert (known["keys"], known["revoked"]) == ([], [hash_api_key(tenant.api_key.secret)])


async def test_an_edge_without_a_record_of_tenants_is_told_nothing(runtime: Runtime, use: Platform) -> None:
    # No unit of work is open: whoever asked the database would fail.
    await SyncEdge(use.sync_edge._directory, None)()


def edge_tenants(directory: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads((directory / "tenants.json").read_text())["tenants"]
    return entries
