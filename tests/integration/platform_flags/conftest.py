"""The flag functions on a migrated Postgres: each `Process` is what a process of its own would be."""

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from functions.kit.catalogue import load_catalogue
from functions.kit.database import UnitOfWork
from functions.kit.flags import Flags
from functions.kit.identifiers import new_id
from functions.kit.runtime import Runtime
from functions.kit.secrets import create_key_file
from functions.kit.settings import Settings
from functions.platform.core.models import NewTenant as NewTenantOf
from functions.platform.core.models import ProvisionedTenant
from functions.platform.wiring import platform
from functions.platform.wiring_flags import FlagPlatform, flag_platform
from local.embedded.router import Router
from stateful.postgres.cluster import Cluster
from stateful.postgres.histories import load_histories
from stateful.postgres.migrate import Migration, Options
from tests.integration.platform.postgres import Postgres, postgres_server
from tests.integration.platform_flags.identity import Caller, Issuer, publishing_issuer
from tests.integration.platform_flags.servers import Receiver, receiver

_FUNCTIONS = ("platform-flags", "platform-platform-flags", "platform-flagsmith-sdk", "platform-flagsmith-webhook")
SDK_KEY = "ser.platform-key-of-the-tests"


@dataclass(frozen=True)
class Process:
    """A process that hosts the flag functions."""

    runtime: Runtime
    use: FlagPlatform

    @property
    def flags(self) -> Flags:
        return self.use.flags

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI: as the embedded edge would route."""
        catalogue = load_catalogue()
        found = Router(catalogue.by_name(name) for name in _FUNCTIONS).match(scope["method"], scope["path"])
        assert found.function, f"{scope['method']} {scope['path']} is nobody's"
        app = importlib.import_module(catalogue.by_name(found.function).module).app
        app.state.runtime, app.state.wiring = self.runtime, self.use
        await app(scope, receive, send)

    @asynccontextmanager
    async def caller(self, credential: str) -> AsyncIterator[Caller]:
        transport = httpx.ASGITransport(app=self, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
            yield Caller(client, credential)


@asynccontextmanager
async def process(given: Settings, **changes: object) -> AsyncIterator[Process]:
    runtime = Runtime(given.model_copy(update=changes))
    try:
        yield Process(runtime, await runtime.wired(flag_platform))
    finally:
        await runtime.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def migrated(postgres: Postgres) -> Cluster:
    cluster = Cluster(postgres.url("postgres"), postgres.url("platform", "dcoder_platform", "functions"))
    outcome = await Migration(cluster, load_histories(), Options()).run()
    assert not outcome.failed
    return cluster


@pytest_asyncio.fixture(scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    async with publishing_issuer() as publishing:
        yield publishing


@pytest.fixture(scope="session")
def settings(migrated: Cluster, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    keys = tmp_path_factory.mktemp("flags") / "kek.json"
    create_key_file(keys)
    return Settings.model_validate(
        {
            "database_url": migrated.functions_url,
            "database_admin_url": migrated.admin_url,
            "kek_file": keys,
            "oidc_issuer": issuer.url,
            "oidc_jwks_url": issuer.jwks_url,
            "api_key_cache_seconds": 0,
            "nats_url": "nats://127.0.0.1:1",
        }
    )


@pytest_asyncio.fixture(scope="session")
async def webhook_receiver() -> AsyncIterator[Receiver]:
    async with receiver() as taking:
        yield taking


@pytest_asyncio.fixture(scope="session")
async def embedded(settings: Settings, webhook_receiver: Receiver) -> AsyncIterator[Process]:
    """Flags in Postgres."""
    vouched = f"127.0.0.1:{webhook_receiver.port}"
    async with process(settings, egress_allow=vouched, flags_sdk_key=SecretStr(SDK_KEY)) as started:
        yield started


@pytest_asyncio.fixture(scope="session")
async def operator(embedded: Process, issuer: Issuer) -> AsyncIterator[Caller]:
    async with embedded.caller(issuer.token(["superadmin"])) as caller:
        yield caller


NewTenant = Callable[[], Awaitable[ProvisionedTenant]]


@pytest_asyncio.fixture(scope="session")
async def new_tenant(settings: Settings) -> AsyncIterator[NewTenant]:
    runtime = Runtime(settings)
    use = await runtime.wired(platform)

    async def make() -> ProvisionedTenant:
        async with UnitOfWork(runtime.databases):
            return await use.provision_tenant(NewTenantOf("Test", f"t-{new_id().replace('-', '')}"))

    yield make
    await runtime.close()


@pytest_asyncio.fixture
async def tenant(new_tenant: NewTenant) -> ProvisionedTenant:
    return await new_tenant()


@pytest_asyncio.fixture
async def clean(embedded: Process) -> AsyncIterator[None]:
    """Whatever the test sets for everybody is gone after it."""
    yield
    async with UnitOfWork(embedded.runtime.databases), embedded.runtime.databases.acquire() as session:
        await session.execute("DELETE FROM flag_defaults")
        await session.execute("DELETE FROM flag_document")
    await embedded.flags.refresh()
