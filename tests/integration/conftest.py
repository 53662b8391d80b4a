"""One platform per run; a fresh tenant per test."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.containers import container_servers, docker_answers
from tests.platform import Api, Platform, Tenant, running_platform, session

NewTenant = Callable[[], Awaitable[Tenant]]


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    if os.environ.get("DCODER_TEST_STACK") != "containers":
        with running_platform({}) as running:
            yield running
        return
    if not docker_answers():
        pytest.skip("DCODER_TEST_STACK=containers, but no Docker engine answers")
    with container_servers() as addresses, running_platform(addresses) as running:
        yield running


@pytest.fixture(scope="session")
def operator_token(platform: Platform) -> str:
    return platform.token("--role", "superadmin")


@pytest.fixture
async def api(platform: Platform) -> AsyncIterator[Api]:
    async with session() as opened:
        yield Api(opened, platform.edge)


@pytest.fixture
def operator(api: Api, operator_token: str) -> Api:
    return api.as_(operator_token)


@pytest.fixture
def new_tenant(platform: Platform, operator: Api, api: Api) -> NewTenant:
    """Makes tenants with a provider on the simulator; each provider key is billed apart."""

    async def make() -> Tenant:
        slug = f"t-{uuid.uuid4().hex[:12]}"
        made = await operator.call("POST", "/v1/tenants", {"name": slug, "slug": slug})
        assert made.status == 201, made.body
        tenant = Tenant(
            made.body["id"], slug, made.body["database"], made.body["apiKey"]["secret"], made.body["apiKey"]["id"],
            f"sk-test-{slug}",
        )  # fmt: skip
        provider = {
            "name": "openai",
            "kind": "openai",
            "apiKey": tenant.provider_key,
            "baseUrl": f"{platform.simulator}/openai/v1",
            "embeddingModel": "text-embedding-3-small",
        }
        stored = await api.as_(tenant.key).call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
        assert stored.status == 200, stored.body
        return tenant

    return make


@pytest.fixture
async def tenant(new_tenant: NewTenant) -> Tenant:
    return await new_tenant()


@pytest.fixture
def as_tenant(api: Api, tenant: Tenant) -> Api:
    return api.as_(tenant.key)
