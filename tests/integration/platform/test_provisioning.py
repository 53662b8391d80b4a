"""A tenant gets a role, a database and a key of its own, or nothing at all."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import asyncpg
import pytest
import pytest_asyncio

from functions.kit.database import Databases, UnitOfWork, unit_of_work
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.kit.tenancy import TenantDatabaseCredentials
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_server import TEMPLATE_DATABASE, PostgresServer
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.core.errors import ProvisioningFailed, SlugTaken
from functions.platform.core.models import NewTenant, ProvisionedTenant
from functions.platform.core.ports import DatabaseServer, Events, Secrets, Tenants
from functions.platform.core.provision_tenant import ClearAbandoned, ProvisionTenant
from functions.platform.wiring import Platform
from tests.integration.platform.broken import breaking
from tests.integration.platform.conftest import new_slug, provision
from tests.integration.platform.postgres import Postgres

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Parts:
    """The real adapters, one of which a test may exchange."""

    runtime: Runtime
    tenants: Tenants
    server: DatabaseServer
    secrets: Secrets
    events: Events

    async def provision(self, slug: str) -> ProvisionedTenant:
        use = ProvisionTenant(self.tenants, self.server, self.runtime.key_management, self.secrets, self.events)
        async with UnitOfWork(self.runtime.databases):
            return await use(NewTenant("Test", slug))

    async def clear(self, slug: str | None = None) -> int:
        async with UnitOfWork(self.runtime.databases):
            return await ClearAbandoned(self.tenants, self.server)(slug)

    def breaking_at(self, *steps: str) -> "Parts":
        parts = self
        for port, method in (step.split(".") for step in steps):
            parts = replace(parts, **{port: breaking(getattr(parts, port), method)})
        return parts


@pytest_asyncio.fixture(scope="session")
async def parts(runtime: Runtime, settings: Settings) -> AsyncIterator[Parts]:
    assert settings.database_admin_url is not None
    at_once = Databases(settings.database_url.get_secret_value(), pool_size=2)
    admin = Databases(settings.database_admin_url.get_secret_value(), pool_size=2, timeout=30)
    yield Parts(runtime, PostgresTenants(at_once), PostgresServer(admin), runtime.secrets, OutboxEvents())
    await at_once.close()
    await admin.close()


@pytest_asyncio.fixture(scope="session")
async def superuser(postgres: Postgres, runtime: Runtime) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(postgres.url("platform"))
    yield connection
    await connection.close()


async def traces(superuser: "asyncpg.Connection[asyncpg.Record]") -> dict[str, set[str]]:
    """Whatever there is of any tenant."""
    queries = {
        "rows": "SELECT database AS name FROM tenants",
        "databases": "SELECT datname AS name FROM pg_database WHERE datname ~ '^tenant_[0-9a-f]{32}$'",
        "roles": "SELECT rolname AS name FROM pg_roles WHERE rolname ~ '^tenant_[0-9a-f]{32}$'",
    }
    return {what: {row["name"] for row in await superuser.fetch(query)} for what, query in queries.items()}


async def test_a_tenant_works_in_its_own_database(runtime: Runtime, tenant: ProvisionedTenant) -> None:
    async with runtime.databases.acquire(tenant.tenant.database) as session:
        assert await session.fetchval("SELECT current_database()") == tenant.tenant.database
        assert await session.fetchval("SELECT current_user") == tenant.tenant.database_role
        await session.execute("INSERT INTO handled_events (source, id, function) VALUES ('s', 'i', 'f')")
        assert await session.fetchval("SELECT '[1,2]'::vector <-> '[1,2]'::vector") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute("CREATE TABLE mine (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute("DELETE FROM migrations.kit")


async def test_a_tenants_role_connects_nowhere_else(
    runtime: Runtime, use: Platform, postgres: Postgres, tenant: ProvisionedTenant
) -> None:
    other = await provision(runtime, use)
    role, password = await TenantDatabaseCredentials(runtime.databases, runtime.secrets)(tenant.tenant.database)
    for database in (other.tenant.database, "platform", TEMPLATE_DATABASE):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(postgres.url(database, role, password), timeout=5)


async def test_functions_do_not_enter_a_tenants_database_as_themselves(
    postgres: Postgres, tenant: ProvisionedTenant
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url(tenant.tenant.database, "dcoder_platform", "functions"), timeout=5)


async def test_secrets_are_stored_sealed(
    superuser: "asyncpg.Connection[asyncpg.Record]", runtime: Runtime, tenant: ProvisionedTenant
) -> None:
    _, password = await TenantDatabaseCredentials(runtime.databases, runtime.secrets)(tenant.tenant.database)
    row = await superuser.fetchrow("SELECT * FROM tenants JOIN api_keys k ON k.tenant_id = tenants.id WHERE k.id = $1",
                                   tenant.api_key.id)  # fmt: skip
    assert row is not None
    assert password.encode() not in row["database_secret"]
    assert tenant.api_key.secret not in str(dict(row))
    assert tenant.api_key.secret not in repr(tenant)


async def test_the_event_is_in_the_outbox(
    superuser: "asyncpg.Connection[asyncpg.Record]", tenant: ProvisionedTenant
) -> None:
    query = "SELECT payload -> 'data' ->> 'slug' FROM outbox WHERE tenant_id = $1 AND subject = 'tenant.created'"
    assert await superuser.fetchval(query, tenant.tenant.id) == tenant.tenant.slug


@pytest.mark.parametrize(
    "step",
    [
        "tenants.reserve",
        "server.create_role",
        "server.create_database",
        "secrets.encrypt",
        "events.publish",
    ],
)
async def test_a_failing_step_leaves_nothing(
    parts: Parts, superuser: "asyncpg.Connection[asyncpg.Record]", step: str
) -> None:
    before, slug = await traces(superuser), new_slug()
    with pytest.raises(ProvisioningFailed):
        await parts.breaking_at(step).provision(slug)
    assert await traces(superuser) == before
    assert (await parts.provision(slug)).tenant.slug == slug


async def test_a_request_that_is_cancelled_leaves_nothing(
    parts: Parts, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before, reached = await traces(superuser), asyncio.Event()

    async def stall() -> None:
        reached.set()
        await asyncio.Event().wait()

    stalling = replace(parts, server=breaking(parts.server, "create_database", stall))
    task = asyncio.create_task(stalling.provision(new_slug()))
    await asyncio.wait_for(reached.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await traces(superuser) == before


async def test_a_failing_activation_leaves_nothing(
    parts: Parts, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before = await traces(superuser)
    await superuser.execute("ALTER TABLE api_keys ADD CONSTRAINT broken CHECK (name <> 'first') NOT VALID")
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await parts.provision(new_slug())
    finally:
        await superuser.execute("ALTER TABLE api_keys DROP CONSTRAINT broken")
    assert await traces(superuser) == before


@pytest.mark.parametrize(
    "steps",
    [("secrets.encrypt", "server.drop_database"), ("secrets.encrypt", "server.drop_role"), ("tenants.activate",)],
)
async def test_what_could_not_be_undone_is_cleared_by_the_next_attempt(
    parts: Parts, superuser: "asyncpg.Connection[asyncpg.Record]", steps: tuple[str, ...]
) -> None:
    before, slug = await traces(superuser), new_slug()
    with pytest.raises(ProvisioningFailed):
        await parts.breaking_at(*steps).provision(slug)
    provisioned = await parts.provision(slug)
    name = {provisioned.tenant.database}
    assert await traces(superuser) == {what: names | name for what, names in before.items()}


async def test_a_commit_that_fails_leaves_nothing_for_long(
    parts: Parts, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before = await traces(superuser)
    use = ProvisionTenant(parts.tenants, parts.server, parts.runtime.key_management, parts.secrets, parts.events)
    async with UnitOfWork(parts.runtime.databases):
        await use(NewTenant("Test", new_slug()))
        unit_of_work().abandon()
    await parts.clear()
    assert await traces(superuser) == before


async def test_a_killed_provisioner_is_cleared_after(
    parts: Parts, settings: Settings, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before, slug = await traces(superuser), new_slug()
    assert settings.database_admin_url is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.platform.stalling_provisioner",
        slug,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "DCODER_DATABASE_URL": settings.database_url.get_secret_value(),
            "DCODER_DATABASE_ADMIN_URL": settings.database_admin_url.get_secret_value(),
            "DCODER_KEK_FILE": str(settings.kek_file),
        },
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"made\n"
    assert await parts.clear() == 0, "the provisioner lives, so its tenant is not abandoned"
    with pytest.raises(SlugTaken):
        await parts.provision(slug)

    process.kill()
    await process.wait()
    async with asyncio.timeout(10):
        while await traces(superuser) != before:
            await parts.clear(slug)
    assert (await parts.provision(slug)).tenant.slug == slug


async def test_of_two_with_one_slug_one_wins(runtime: Runtime, use: Platform) -> None:
    slug = new_slug()
    outcomes = await asyncio.gather(*(provision(runtime, use, slug) for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ProvisionedTenant"] + ["SlugTaken"] * 3


async def test_more_at_once_than_there_are_connections(runtime: Runtime, use: Platform) -> None:
    count = 2 * runtime.settings.database_pool_size
    tenants = await asyncio.gather(*(provision(runtime, use) for _ in range(count)))
    assert len({tenant.tenant.database for tenant in tenants}) == count


async def test_provisioning_waits_for_a_migration_of_the_template(
    runtime: Runtime, use: Platform, postgres: Postgres, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    migration = await asyncpg.connect(postgres.url(TEMPLATE_DATABASE))
    waiting = asyncio.create_task(provision(runtime, use))
    cloning = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE%'"
    async with asyncio.timeout(10):
        while not await superuser.fetchval(cloning):
            pass
    await migration.close()
    assert (await waiting).tenant.status == "active"
