"""A Redis for these tests alone, emptied for each; a migrated Postgres with the platform's use cases on it."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
import redis.asyncio
from fastapi import FastAPI

from functions.kit.runtime import Runtime
from functions.platform.core.models import ProvisionedTenant
from functions.platform.quotas.main import app as quotas_app
from functions.platform.quotas.wiring import limits
from functions.platform.usage.main import app as usage_app
from functions.platform.wiring import Platform
from tests.integration.platform.conftest import (
    Caller,
    Issuer,
    cluster,
    issuer,
    jwks_url,
    migrated,
    postgres,
    provision,
    runtime,
    settings,
    use,
)
from tests.integration.quotas.gateways import Books
from tests.integration.stateful.nats.servers import Server, redis_server

__all__ = ["cluster", "issuer", "jwks_url", "migrated", "postgres", "runtime", "settings", "use"]


@pytest.fixture(scope="session")
def redis_process() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="dcoder-quotas-"))
    server = redis_server(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture
async def books(redis_process: Server) -> AsyncIterator[Books]:
    if not redis_process.running:
        redis_process.start()
    async with redis.asyncio.Redis(port=redis_process.port, protocol=2, socket_timeout=3) as client:
        await client.flushall()
        yield Books(client)


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session")
async def caller(runtime: Runtime, use: Platform, issuer: Issuer) -> AsyncIterator[Caller]:
    """The platform's operator, on the functions of limits and of usage."""
    wirings = {"quotas": await runtime.wired(limits), "usage": use}
    apps: dict[str, FastAPI] = {"quotas": quotas_app, "usage": usage_app}

    async def route(scope: Any, receive: Any, send: Any) -> None:
        name = scope["path"].rpartition("/")[2]
        apps[name].state.runtime, apps[name].state.wiring = runtime, wirings[name]
        await apps[name](scope, receive, send)

    transport = httpx.ASGITransport(app=route, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
        yield Caller(client, issuer.token(["superadmin"]))


@pytest_asyncio.fixture
async def provisioned(runtime: Runtime, use: Platform) -> ProvisionedTenant:
    """A fresh tenant in the database."""
    return await provision(runtime, use)
