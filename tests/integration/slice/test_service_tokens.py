"""A function calls another for a tenant, through the edge, under a token that it signs itself."""

import asyncio
from pathlib import Path

from functions.kit.principal import Role
from functions.kit.service_tokens import OnBehalf, ServiceTokens
from functions.kit.tenancy import TenantDirectory
from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually


def minted(platform: Platform, behalf: OnBehalf, *actions: str) -> str:
    path = Path(platform.home) / "service-keys.json"
    # Signing asks nothing of the directory.
    directory = TenantDirectory(None, fresh=0, stale=0)  # type: ignore[arg-type]
    tokens = ServiceTokens(path, directory, platform_id="dcoder", tenant_claim="tenant_id")
    return tokens.mint("knowledge-ingest", behalf, frozenset(actions))


async def test_usage_is_counted_for_whom_it_was_made(platform: Platform, api: Api, tenant: Tenant) -> None:
    token = await asyncio.to_thread(
        minted, platform, OnBehalf(tenant.id, user_id="u-7", api_key_id=tenant.key_id), "llm:call"
    )
    answer = await api.as_(token).chat("What is behind a token that a function signs?")
    assert answer.status == 200, answer.body

    async def counted() -> bool:
        usage = await api.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}/usage?groupBy=user")
        assert usage.status == 200, usage.body
        return "u-7" in str(usage.body)

    assert await eventually(counted)


async def test_it_reaches_nothing_else(platform: Platform, api: Api, new_tenant: NewTenant) -> None:
    tenant, other = await new_tenant(), await new_tenant()
    behalf = OnBehalf(tenant.id, roles=frozenset({Role.ADMIN}))
    caller = api.as_(await asyncio.to_thread(minted, platform, behalf, "llm:call"))
    assert (await caller.call("GET", f"/v1/tenants/{tenant.id}/providers")).status == 403
    assert (await caller.call("GET", f"/v1/tenants/{other.id}/usage")).status == 403
    elsewhere = await caller.call("GET", "/v1/models", **{"x-tenant-id": other.id})
    assert (elsewhere.status, elsewhere.code) == (403, "forbidden")
    assert (await caller.call("GET", "/v1/models")).status == 200
