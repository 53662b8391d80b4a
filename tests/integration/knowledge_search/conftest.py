"""A Postgres of the folder's own, with an empty tenant's database per test; and tenants of the platform who ask."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from functions.kit.database import Databases
from stateful.postgres.cluster import Cluster
from stateful.postgres.histories import load_histories
from stateful.postgres.migrate import Migration, Options
from tests.integration.conftest import NewTenant
from tests.integration.knowledge.conftest import Library as Tenants
from tests.integration.knowledge_search.library import Library, MemoryLibrary, PostgresLibrary
from tests.integration.platform.postgres import Postgres, postgres_server
from tests.platform import Api, Platform


@pytest.fixture(scope="package")
def server() -> Iterator[Postgres]:
    with postgres_server() as running:
        cluster = Cluster(running.url(), running.url("platform", "dcoder_platform", "functions"))
        done = asyncio.run(Migration(cluster, load_histories(), Options(tenants_only=False)).run())
        assert not done.failed
        yield running


@pytest_asyncio.fixture
async def postgres_library(server: Postgres) -> AsyncIterator[PostgresLibrary]:
    name = f"tenant_{secrets.token_hex(16)}"
    admin = await asyncpg.connect(server.url())
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE tenant_template STRATEGY WAL_LOG")

    async def superuser(_: str) -> tuple[str, str]:
        return "postgres", server.password

    databases = Databases(server.url("platform"), credentials=superuser, timeout=60)
    yield PostgresLibrary(databases, name)
    await databases.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(params=["memory", "postgres"])
def library(request: pytest.FixtureRequest) -> Library:
    if request.param == "memory":
        return MemoryLibrary()
    found: Library = request.getfixturevalue("postgres_library")
    return found


@pytest_asyncio.fixture
async def asking(api: Api, new_tenant: NewTenant, platform: Platform) -> Tenants:
    """A tenant of the platform with models by default."""
    tenant = await new_tenant()
    provider = {
        "name": "openai", "kind": "openai", "apiKey": tenant.provider_key, "baseUrl": f"{platform.simulator}/openai/v1",
        "embeddingModel": "text-embedding-3-small", "defaultModel": "gpt-4o-mini",
    }  # fmt: skip
    stored = await api.as_(tenant.key).call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
    assert stored.status == 200, stored.body
    return Tenants(api.as_(tenant.key), tenant)
