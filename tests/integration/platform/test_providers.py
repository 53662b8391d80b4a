"""PUT and GET /v1/tenants/{tenantId}/providers."""

import asyncio
from typing import Any

import asyncpg
import pytest

from functions.kit.errors import Internal
from functions.kit.runtime import Runtime
from functions.kit.secrets import Place
from functions.platform.core.models import ProvisionedTenant
from tests.integration.platform.conftest import SIMULATOR, Caller, new_slug

pytestmark = pytest.mark.integration

KEY = "sk-proj-0123456789abcdef"


def path(tenant: ProvisionedTenant) -> str:
    return f"/v1/tenants/{tenant.tenant.id}/providers"


def openai(**fields: Any) -> dict[str, Any]:
    return {"name": "openai", "kind": "openai", "apiKey": KEY, **fields}


async def put(caller: Caller, tenant: ProvisionedTenant, *providers: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await caller("PUT", path(tenant), {"providers": list(providers)})
    assert "0123456789" not in answer.text
    return answer.status_code, answer.json()


async def stored(runtime: Runtime, tenant: ProvisionedTenant) -> dict[str, "asyncpg.Record"]:
    async with runtime.databases.acquire() as session:
        rows = await session.fetch("SELECT * FROM providers WHERE tenant_id = $1", tenant.tenant.id)
    return {row["name"]: row for row in rows}


async def key_of(runtime: Runtime, tenant: ProvisionedTenant, name: str) -> str:
    row = (await stored(runtime, tenant))[name]
    place = Place(tenant.tenant.id, "providers", str(row["id"]), "secret")
    return (await runtime.secrets.decrypt(place, row["secret"])).decode()


async def test_what_is_put_is_got_without_the_key(operator: Caller, tenant: ProvisionedTenant) -> None:
    simulated = {"name": "groq-1", "kind": "groq", "secretRef": "vault://groq#key", "baseUrl": f"http://{SIMULATOR}/v1"}
    status, body = await put(
        operator,
        tenant,
        openai(models=["gpt-4o", "gpt-4o"], embeddingModel="text-embedding-3-small", defaultModel="gpt-4o"),
        simulated,
    )
    assert status == 200
    first, second = body["providers"]
    assert first == {
        "id": first["id"],
        "name": "openai",
        "kind": "openai",
        "baseUrl": None,
        "models": ["gpt-4o"],
        "embeddingModel": "text-embedding-3-small",
        "defaultModel": "gpt-4o",
        "keyMasked": "…cdef",
        "secretRef": None,
        "createdAt": first["createdAt"],
        "updatedAt": first["updatedAt"],
    }
    assert second["baseUrl"] == f"http://{SIMULATOR}/v1"
    assert (second["keyMasked"], second["secretRef"]) == (None, "vault://groq#key")
    assert (await operator.with_credential(tenant.api_key.secret)("GET", path(tenant))).json() == body


async def test_a_set_replaces_the_set(operator: Caller, tenant: ProvisionedTenant, runtime: Runtime) -> None:
    _, before = await put(operator, tenant, openai(), openai(name="spare"), openai(name="gone"))
    status, after = await put(operator, tenant, openai(name="new"), {"name": "openai", "kind": "openai"})
    assert status == 200
    assert [provider["name"] for provider in after["providers"]] == ["new", "openai"]
    assert after["providers"][1] == before["providers"][0]
    assert await key_of(runtime, tenant, "openai") == KEY
    assert (await put(operator, tenant))[1] == {"providers": []}


async def test_a_key_is_replaced(operator: Caller, tenant: ProvisionedTenant, runtime: Runtime) -> None:
    _, before = await put(operator, tenant, openai())
    _, after = await put(operator, tenant, openai(apiKey="short"))
    assert await key_of(runtime, tenant, "openai") == "short"
    assert after["providers"][0]["id"] == before["providers"][0]["id"]
    assert after["providers"][0]["updatedAt"] > before["providers"][0]["updatedAt"]
    assert after["providers"][0]["keyMasked"] == "…", "of a short key nothing is shown"


async def test_a_stored_key_goes_to_nobody_else(operator: Caller, tenant: ProvisionedTenant) -> None:
    await put(operator, tenant, openai())
    for change in ({"kind": "groq"}, {"baseUrl": f"http://{SIMULATOR}/v1"}):
        status, body = await put(operator, tenant, {"name": "openai", "kind": "openai", **change})
        assert (status, body["error"]["code"]) == (422, "provider_key_missing")
    status, _ = await put(operator, tenant, {"name": "openai", "kind": "openai", "models": ["gpt-4o"]})
    assert status == 200


async def test_a_new_provider_needs_a_key(operator: Caller, tenant: ProvisionedTenant) -> None:
    status, body = await put(operator, tenant, {"name": "openai", "kind": "openai"})
    assert (status, body["error"]["code"]) == (422, "provider_key_missing")
    assert (await operator("GET", path(tenant))).json() == {"providers": []}


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.test/v1",
        "https://api.openai.com@evil.test/v1",
        "https://api.openai.com:8443/v1",
        "https://api.groq.com/openai/v1",
        "http://127.0.0.1:5432/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "https://[::1/v1",
        "api.openai.com",
    ],
)
async def test_addresses_that_are_not_called(operator: Caller, tenant: ProvisionedTenant, url: str) -> None:
    status, body = await put(operator, tenant, openai(baseUrl=url))
    assert (status, body["error"]["code"]) == (400, "egress_denied")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Open"},
        {"name": ""},
        {"name": "a" * 64},
        {"kind": "azure"},
        {"apiKey": ""},
        {"apiKey": "sk-0123456789\r\nx: y"},
        {"apiKey": "sk-0123456789é"},
        {"apiKey": "0123456789" * 820},
        {"secretRef": "vault://x"},
        {"baseUrl": "https://api.openai.com/\u0000"},
        {"models": ["a\u0000"]},
        {"models": [""]},
        {"models": "gpt"},
        {"key": KEY},
    ],
)
async def test_what_a_provider_cannot_be(operator: Caller, tenant: ProvisionedTenant, change: dict[str, Any]) -> None:
    status, body = await put(operator, tenant, openai(**change))
    assert (status, body["error"]["code"]) == (422, "validation_failed")


async def test_names_are_unique_and_few(operator: Caller, tenant: ProvisionedTenant) -> None:
    assert (await put(operator, tenant, openai(), openai()))[0] == 422
    assert (await put(operator, tenant, *(openai(name=f"p{number}") for number in range(21))))[0] == 422
    assert (await put(operator, tenant, *(openai(name=f"p{number}") for number in range(20))))[0] == 200


async def test_another_tenant_cannot_put(operator: Caller, tenant: ProvisionedTenant) -> None:
    other = (await operator("POST", "/v1/tenants", {"name": "Other", "slug": new_slug()})).json()
    assert (await put(operator.with_credential(other["apiKey"]["secret"]), tenant, openai()))[0] == 403
    assert (await operator("GET", path(tenant))).json() == {"providers": []}


async def test_keys_are_sealed_where_they_lie(operator: Caller, tenant: ProvisionedTenant, runtime: Runtime) -> None:
    await put(operator, tenant, openai(), openai(name="spare", apiKey="sk-proj-another-key"))
    rows = await stored(runtime, tenant)
    assert KEY not in str({name: dict(row) for name, row in rows.items()})
    assert await key_of(runtime, tenant, "openai") == KEY
    async with runtime.databases.acquire() as session:
        await session.execute(
            "UPDATE providers SET secret = $1 WHERE id = $2", rows["openai"]["secret"], rows["spare"]["id"]
        )
    with pytest.raises(Internal):
        await key_of(runtime, tenant, "spare")


async def test_two_puts_at_once_leave_one_of_the_sets(
    operator: Caller, tenant: ProvisionedTenant, runtime: Runtime
) -> None:
    sets = [[openai(name=f"{letter}{number}") for number in range(5)] for letter in "abcd"]
    answers = await asyncio.gather(*(put(operator, tenant, *providers) for providers in sets))
    assert [status for status, _ in answers] == [200] * 4
    names = sorted(await stored(runtime, tenant))
    assert names in [sorted(provider["name"] for provider in providers) for providers in sets]


async def test_a_change_is_an_event(operator: Caller, tenant: ProvisionedTenant, runtime: Runtime) -> None:
    await put(operator, tenant, openai())
    await put(operator, tenant, openai(kind="nonsense"))
    query = "SELECT payload -> 'data' ->> 'providers' FROM outbox WHERE subject = 'provider.updated' AND tenant_id = $1"
    async with runtime.databases.acquire() as session:
        assert [row[0] for row in await session.fetch(query, tenant.tenant.id)] == ['["openai"]']
