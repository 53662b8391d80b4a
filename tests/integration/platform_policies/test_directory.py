"""Policies in memory: fresh while the database is there, the last known while it is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import nats
import pytest
import pytest_asyncio
from pydantic import SecretStr

from functions.kit.database import Databases, UnitOfWork
from functions.kit.errors import DependencyUnavailable
from functions.kit.events import Event
from functions.kit.policies.attributes import Resource
from functions.kit.policies.directory import PolicyDirectory, following
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.enforcer import Asked, enforcer
from functions.kit.principal import Principal, Role
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.kit.subjects import PolicyUpdated
from functions.platform.adapters.postgres_policies import PostgresPolicies
from functions.platform.core.models import ProvisionedTenant
from tests.integration.platform.postgres import Postgres
from tests.integration.platform_policies.conftest import eventually, process
from tests.integration.stateful.nats.servers import nats_server

pytestmark = pytest.mark.integration

NO_CALLS = {"name": "no calls", "who": ["role:user"], "actions": ["llm:call"], "effect": "deny"}
CLOSED = PolicyDocument.model_validate({"policies": [NO_CALLS]})
OPEN = PolicyDocument()
NEVER = 3600.0


class Link:
    """A way to the database that can be cut."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        user, _, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._open -= {writer, there_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@pytest_asyncio.fixture
async def link(settings: Settings) -> AsyncIterator[Link]:
    link = Link(settings.database_url.get_secret_value())
    await link.join()
    yield link
    await link.cut()


@asynccontextmanager
async def directory_over(url: str, every: float) -> AsyncIterator[PolicyDirectory]:
    databases = Databases(url, pool_size=1, timeout=1)
    directory = PolicyDirectory(databases, every=every)
    task = asyncio.create_task(directory.follow())
    yield directory
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await databases.close()


async def store(runtime: Runtime, owner: str | None, document: PolicyDocument) -> int:
    policies = PostgresPolicies()
    async with UnitOfWork(runtime.databases):
        await policies.lock()
        return (await policies.replace(owner, document)).version


async def may_call(directory: PolicyDirectory, tenant_id: str) -> bool:
    user = Principal(subject="u", kind="user", tenant_id=tenant_id, roles=frozenset({Role.USER}))
    policies = await directory.of(tenant_id)
    return enforcer().allows(policies, policies.subject(user), "llm:call", Asked(tenant_id, Resource()))


async def test_a_change_is_found_by_looking(runtime: Runtime, settings: Settings, tenant: ProvisionedTenant) -> None:
    async with directory_over(settings.database_url.get_secret_value(), every=0.01) as directory:
        assert await may_call(directory, tenant.tenant.id)
        await store(runtime, tenant.tenant.id, CLOSED)
        await eventually(lambda: refused(directory, tenant.tenant.id))
        await store(runtime, tenant.tenant.id, OPEN)
        await eventually(lambda: may_call(directory, tenant.tenant.id))


async def refused(directory: PolicyDirectory, tenant_id: str) -> bool:
    return not await may_call(directory, tenant_id)


async def test_an_event_makes_it_look_at_once(runtime: Runtime, settings: Settings, tenant: ProvisionedTenant) -> None:
    async with directory_over(settings.database_url.get_secret_value(), every=NEVER) as directory:
        assert await may_call(directory, tenant.tenant.id)
        await store(runtime, tenant.tenant.id, CLOSED)
        directory.wake()
        await eventually(lambda: refused(directory, tenant.tenant.id))


async def test_the_event_comes_over_nats(
    runtime: Runtime, settings: Settings, tenant: ProvisionedTenant, tmp_path: Path
) -> None:
    server = nats_server(tmp_path / "nats")
    server.start()
    bus = await nats.connect(f"nats://{server.address}")
    try:
        async with process(settings.model_copy(update={"nats_url": SecretStr(f"nats://{server.address}")})) as other:
            directory = await other.wired(following)
            directory._every = NEVER
            assert await may_call(directory, tenant.tenant.id)
            version = await store(runtime, tenant.tenant.id, CLOSED)
            data = PolicyUpdated(tenant_id=tenant.tenant.id, version=version)
            event = Event.of(data, tenant_id=tenant.tenant.id, source="/test").to_json()

            async def told() -> bool:
                # It may not have subscribed yet.
                await bus.publish(PolicyUpdated.subject, event)
                await bus.flush()
                return await refused(directory, tenant.tenant.id)

            await eventually(told)
    finally:
        await bus.close()
        server.stop()


async def test_it_ends_when_told_to_even_as_it_is_woken(settings: Settings) -> None:
    databases = Databases(settings.database_url.get_secret_value(), pool_size=1)
    for turns in range(6):
        directory = PolicyDirectory(databases, every=NEVER)
        await directory.of("any tenant")
        task = asyncio.create_task(directory.follow())
        await eventually(partial(waits_for_news, directory))
        directory.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        _, late = await asyncio.wait({task}, timeout=5)
        assert not late, turns
    await databases.close()


async def waits_for_news(directory: PolicyDirectory) -> bool:
    return bool(directory._changed._waiters)


async def test_a_tenants_change_leaves_the_others_alone(
    runtime: Runtime, settings: Settings, tenant: ProvisionedTenant
) -> None:
    async with directory_over(settings.database_url.get_secret_value(), every=0.01) as directory:
        before = await directory.of("another tenant")
        await store(runtime, tenant.tenant.id, CLOSED)
        await eventually(lambda: refused(directory, tenant.tenant.id))
        assert await directory.of("another tenant") is before


async def test_while_the_database_is_away_the_last_known_go_on(
    runtime: Runtime, link: Link, tenant: ProvisionedTenant
) -> None:
    await store(runtime, tenant.tenant.id, CLOSED)
    async with directory_over(link.url, every=0.05) as directory:
        assert await refused(directory, tenant.tenant.id)
        await link.cut()
        await store(runtime, tenant.tenant.id, OPEN)
        directory.wake()
        assert await refused(directory, tenant.tenant.id)
        assert await may_call(directory, "a tenant not asked for before")
        await link.join()
        await eventually(lambda: may_call(directory, tenant.tenant.id))


async def test_who_never_saw_the_database_decides_nothing(link: Link, tenant: ProvisionedTenant) -> None:
    await link.cut()
    async with directory_over(link.url, every=0.05) as directory:
        with pytest.raises(DependencyUnavailable):
            await directory.of(tenant.tenant.id)
        await link.join()
        await eventually(lambda: answers(directory, tenant.tenant.id))


async def answers(directory: PolicyDirectory, tenant_id: str) -> bool:
    with suppress(DependencyUnavailable):
        return await may_call(directory, tenant_id)
    return False


async def test_versions_appear_in_the_order_of_commits(
    runtime: Runtime, settings: Settings, tenant: ProvisionedTenant
) -> None:
    policies = PostgresPolicies()
    async with directory_over(settings.database_url.get_secret_value(), every=0.01) as directory:
        async with UnitOfWork(runtime.databases):
            await policies.lock()
            first = await policies.replace(tenant.tenant.id, CLOSED)
            second = asyncio.create_task(store(runtime, None, OPEN))
            await eventually(lambda: waits_for_lock(runtime))
            assert not second.done()
        assert await second > first.version
        await eventually(lambda: refused(directory, tenant.tenant.id))


async def waits_for_lock(runtime: Runtime) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with runtime.databases.acquire() as connection:
        return bool(await connection.fetchval(query))


async def test_after_a_backup_was_restored_it_begins_anew(
    runtime: Runtime, settings: Settings, tenant: ProvisionedTenant, postgres: Postgres
) -> None:
    await store(runtime, tenant.tenant.id, CLOSED)
    async with directory_over(settings.database_url.get_secret_value(), every=0.01) as directory:
        assert await refused(directory, tenant.tenant.id)
        superuser = await asyncpg.connect(postgres.url("platform"))
        await superuser.execute("DELETE FROM policies WHERE tenant_id = $1", tenant.tenant.id)
        await superuser.close()
        await eventually(lambda: may_call(directory, tenant.tenant.id))
