"""One migrated Postgres for the whole folder; the use cases and the HTTP functions on it."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx2 as httpx
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

from functions.kit.clock import utc_now
from functions.kit.database import UnitOfWork
from functions.kit.identifiers import new_id
from functions.kit.runtime import Runtime
from functions.kit.secrets import create_key_file
from functions.kit.settings import Settings
from functions.platform.core.models import NewTenant, ProvisionedTenant
from functions.platform.providers.main import app as providers_app
from functions.platform.tenants.main import app as tenants_app
from functions.platform.usage.main import app as usage_app
from functions.platform.wiring import Platform, platform
from stateful.postgres.cluster import Cluster
from stateful.postgres.histories import load_histories
from stateful.postgres.migrate import Migration, Options
from tests.integration.platform.postgres import Postgres, postgres_server

ISSUER = "https://identity.test"
SIMULATOR = "127.0.0.1:8090"
# As far as it must be trusted and no further; `vector` may only be installed by a superuser.
_PROVISIONER = "CREATE ROLE dcoder_provisioner LOGIN CREATEDB CREATEROLE PASSWORD 'provisioner'"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def cluster(postgres: Postgres) -> Cluster:
    return Cluster(
        postgres.url("postgres", "dcoder_provisioner", "provisioner"),
        postgres.url("platform", "dcoder_platform", "functions"),
    )


@pytest_asyncio.fixture(scope="session")
async def migrated(postgres: Postgres, cluster: Cluster) -> Cluster:
    for database, statement in (("postgres", _PROVISIONER), ("template1", "CREATE EXTENSION vector")):
        superuser = await asyncpg.connect(postgres.url(database))
        await superuser.execute(statement)
        await superuser.close()
    outcome = await Migration(cluster, load_histories(), Options()).run()
    assert not outcome.failed
    return cluster


class Issuer:
    """Signs tokens as an identity provider would."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> dict[str, Any]:
        key = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": "test", "use": "sig", "alg": "ES256"}]}

    def token(self, roles: list[str], tenant_id: str | None = None) -> str:
        now = int(utc_now().timestamp())
        claims = {"iss": ISSUER, "aud": "https://api.dcoder.local", "sub": "tester", "exp": now + 3600, "roles": roles}
        return jwt.encode({**claims, "tenant_id": tenant_id}, self._key, "ES256", headers={"kid": "test"})


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest_asyncio.fixture(scope="session")
async def jwks_url(issuer: Issuer) -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(issuer.jwks())

    application = web.Application()
    application.router.add_get("/jwks", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="session")
async def settings(migrated: Cluster, jwks_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("platform")
    create_key_file(directory / "kek.json")
    return Settings.model_validate(
        {
            "database_url": migrated.functions_url,
            "database_admin_url": migrated.admin_url,
            "kek_file": directory / "kek.json",
            "edge_dir": directory,
            "egress_allow": SIMULATOR,
            "oidc_issuer": ISSUER,
            "oidc_jwks_url": jwks_url,
            "api_key_cache_seconds": 0,
        }
    )


@pytest_asyncio.fixture(scope="session")
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    runtime = Runtime(settings)
    yield runtime
    await runtime.close()


@pytest_asyncio.fixture(scope="session")
async def use(runtime: Runtime) -> Platform:
    """The use cases, each to be called within a unit of work."""
    return await runtime.wired(platform)


@dataclass(frozen=True)
class Caller:
    """A client of the HTTP functions with a credential."""

    client: httpx.AsyncClient
    credential: str

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return await self.client.request(
            method,
            path,
            # Escaped, so that what is no Unicode can be sent, too.
            content=None if body is None else json.dumps(body),
            params=query,
            headers={
                "authorization": f"Bearer {self.credential}",
                "content-type": "application/json",
                **(headers or {}),
            },
        )

    def with_credential(self, credential: str) -> "Caller":
        return replace(self, credential=credential)


@pytest_asyncio.fixture(scope="session")
async def operator(runtime: Runtime, use: Platform, issuer: Issuer) -> AsyncIterator[Caller]:
    """The platform's operator, on all HTTP functions of the context as the edge would route to them."""
    apps: dict[str, FastAPI] = {"providers": providers_app, "usage": usage_app}

    async def route(scope: Any, receive: Any, send: Any) -> None:
        app = apps.get(scope["path"].rpartition("/")[2], tenants_app)
        app.state.runtime, app.state.wiring = runtime, use
        await app(scope, receive, send)

    transport = httpx.ASGITransport(app=route, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
        yield Caller(client, issuer.token(["superadmin"]))


@pytest_asyncio.fixture
async def tenant(runtime: Runtime, use: Platform) -> ProvisionedTenant:
    """A fresh tenant."""
    return await provision(runtime, use)


async def provision(runtime: Runtime, use: Platform, slug: str | None = None) -> ProvisionedTenant:
    async with UnitOfWork(runtime.databases):
        return await use.provision_tenant(NewTenant("Test", slug or new_slug()))


def new_slug() -> str:
    return f"t-{new_id().replace('-', '')}"


@pytest.fixture
def spare(tmp_path: Path) -> Path:
    """A folder that belongs to the test alone."""
    return tmp_path
