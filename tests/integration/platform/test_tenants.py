"""POST and GET /v1/tenants, GET /v1/tenants/{tenantId}."""

import asyncio
from typing import Any

import pytest

from functions.kit.identifiers import new_id
from functions.platform.core.models import ProvisionedTenant
from tests.integration.platform.conftest import Caller, Issuer, new_slug

pytestmark = pytest.mark.integration


async def test_a_tenant_is_created_and_its_key_works(operator: Caller) -> None:
    slug = new_slug()
    body = {"name": " Acme ", "slug": slug, "region": "eu-central-1", "plan": "enterprise"}
    created = await operator("POST", "/v1/tenants", body)
    assert created.status_code == 201
    tenant = created.json()
    key = tenant.pop("apiKey")
    assert set(key) == {"id", "secret"}
    assert key["secret"].startswith("dck_")
    assert tenant == {
        "id": tenant["id"],
        "name": "Acme",
        "slug": slug,
        "status": "active",
        "plan": "enterprise",
        "region": "eu-central-1",
        "database": f"tenant_{tenant['id'].replace('-', '')}",
        "branding": dict.fromkeys(tenant["branding"]),
        "settings": dict.fromkeys(tenant["settings"]),
        "createdAt": tenant["createdAt"],
        "updatedAt": tenant["createdAt"],
    }
    for caller in (operator, operator.with_credential(key["secret"])):
        read = await caller("GET", f"/v1/tenants/{tenant['id']}")
        assert (read.status_code, read.json()) == (200, tenant)


async def test_a_slug_is_taken_once(operator: Caller) -> None:
    body = {"name": "Twice", "slug": new_slug()}
    answers = await asyncio.gather(operator("POST", "/v1/tenants", body), operator("POST", "/v1/tenants", body))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    again = await operator("POST", "/v1/tenants", body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "slug_taken")


async def test_a_repeated_request_gives_the_first_answer(operator: Caller) -> None:
    body, headers = {"name": "Once", "slug": new_slug()}, {"idempotency-key": new_id()}
    first = await operator("POST", "/v1/tenants", body, headers=headers)
    second = await operator("POST", "/v1/tenants", body, headers=headers)
    assert (first.status_code, first.json()) == (second.status_code, second.json())


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "ab"},
        {"slug": "-abc"},
        {"slug": "abc-"},
        {"slug": "Abc"},
        {"slug": "a" * 41},
        {"slug": "abc\n"},
        {"slug": None},
        {"name": ""},
        {"name": "   "},
        {"name": "a\u0000b"},
        {"name": "a" * 201},
        {"plan": "gold"},
        {"region": "a b"},
        {"status": "active"},
    ],
)
async def test_what_a_tenant_cannot_be(operator: Caller, change: dict[str, Any]) -> None:
    answer = await operator("POST", "/v1/tenants", {"name": "Bad", "slug": new_slug(), **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")


async def test_all_tenants_are_listed_page_by_page(operator: Caller, tenant: ProvisionedTenant) -> None:
    wanted = [tenant.tenant.id]
    for _ in range(2):
        wanted.insert(0, (await operator("POST", "/v1/tenants", {"name": "N", "slug": new_slug()})).json()["id"])
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await operator("GET", "/v1/tenants", query={"limit": "2", **cursor})).json()
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert found[:3] == wanted
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "201"}, {"limit": "x"}])
async def test_limits_of_the_listing(operator: Caller, query: dict[str, str]) -> None:
    assert (await operator("GET", "/v1/tenants", query=query)).status_code == 422


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhXHUwMDAwIl0", "WyJ4Il0"])
async def test_a_cursor_that_is_none(operator: Caller, cursor: str) -> None:
    assert (await operator("GET", "/v1/tenants", query={"cursor": cursor})).status_code == 400


@pytest.mark.parametrize("path", ["", "/providers", "/usage"])
async def test_an_unknown_tenant_is_not_found(operator: Caller, path: str) -> None:
    for tenant_id in (new_id(), "x", "%20", "{" + new_id() + "}", new_id().upper()):
        answer = await operator("GET", f"/v1/tenants/{tenant_id}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "tenant_not_found")
    assert (await operator("GET", f"/v1/tenants/%00{path}")).status_code == 400


@pytest.mark.parametrize("path", ["", "/providers", "/usage"])
async def test_another_tenants_credential_is_refused_always(
    operator: Caller, tenant: ProvisionedTenant, issuer: Issuer, path: str
) -> None:
    other = (await operator("POST", "/v1/tenants", {"name": "Other", "slug": new_slug()})).json()
    tokens = [issuer.token([role], tenant.tenant.id) for role in ("admin", "user")]
    for credential in (tenant.api_key.secret, *tokens):
        for target in (other["id"], new_id(), "x"):
            answer = await operator.with_credential(credential)("GET", f"/v1/tenants/{target}{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


async def test_who_may_not_manage_tenants(operator: Caller, tenant: ProvisionedTenant, issuer: Issuer) -> None:
    admin = operator.with_credential(tenant.api_key.secret)
    user = operator.with_credential(issuer.token(["user"], tenant.tenant.id))
    assert (await admin("POST", "/v1/tenants", {"name": "Mine", "slug": new_slug()})).status_code == 403
    assert (await admin("GET", "/v1/tenants")).status_code == 403
    assert (await user("GET", f"/v1/tenants/{tenant.tenant.id}")).status_code == 403
    assert (await operator.with_credential("dck_" + "x" * 40)("GET", "/v1/tenants")).status_code == 401
