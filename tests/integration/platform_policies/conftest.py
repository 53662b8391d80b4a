"""The policies' function and others it has an effect on, over a migrated Postgres; each runtime is like a process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest_asyncio
from fastapi import FastAPI

from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.platform.core.models import ProvisionedTenant
from functions.platform.policies.main import app as policies_app
from functions.platform.policies.wiring import access_policies
from functions.platform.usage.main import app as usage_app
from functions.platform.wiring import Platform, platform
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

__all__ = ["cluster", "issuer", "jwks_url", "migrated", "postgres", "runtime", "settings", "use"]


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[Runtime]:
    """What another process would have."""
    opened = Runtime(settings)
    yield opened
    await opened.close()


async def calling(runtime: Runtime) -> httpx.AsyncClient:
    """A client of the functions as that process hosts them."""
    wirings = {"policies": await runtime.wired(access_policies), "usage": await runtime.wired(platform)}
    apps: dict[str, FastAPI] = {"policies": policies_app, "usage": usage_app}

    async def route(scope: Any, receive: Any, send: Any) -> None:
        name = scope["path"].rpartition("/")[2]
        apps[name].state.runtime, apps[name].state.wiring = runtime, wirings[name]
        await apps[name](scope, receive, send)

    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=route, raise_app_exceptions=False), base_url="http://platform"
    )


@dataclass(frozen=True)
class People:
    """Callers of one tenant, and the operator."""

    tenant_id: str
    admin: Caller
    user: Caller
    operator: Caller

    @property
    def path(self) -> str:
        return f"/v1/tenants/{self.tenant_id}/policies"

    @property
    def usage(self) -> str:
        return f"/v1/tenants/{self.tenant_id}/usage"


@pytest_asyncio.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with await calling(runtime) as opened:
        yield opened


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The same functions in another process."""
    async with process(settings) as other, await calling(other) as opened:
        yield opened


@pytest_asyncio.fixture
async def tenant(runtime: Runtime, use: Platform) -> ProvisionedTenant:
    return await provision(runtime, use)


@pytest_asyncio.fixture
async def people(client: httpx.AsyncClient, tenant: ProvisionedTenant, issuer: Issuer) -> People:
    return callers(client, tenant.tenant.id, issuer)


def callers(client: httpx.AsyncClient, tenant_id: str, issuer: Issuer) -> People:
    return People(
        tenant_id,
        admin=Caller(client, issuer.token(["admin"], tenant_id)),
        user=Caller(client, issuer.token(["user"], tenant_id)),
        operator=Caller(client, issuer.token(["superadmin"])),
    )


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        await asyncio.sleep(0.02)
