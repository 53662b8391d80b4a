"""PATCH /v1/tenants/{tenantId} and what follows from it everywhere."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.platform_members.conftest import QUESTION, Admin, behind_the_edge, may, new_subject
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration


async def test_an_admin_changes_the_own_tenant(admin: Admin) -> None:
    before = await admin("GET", "")
    change = {
        "name": "  Acme  ",
        "region": "eu-west",
        "branding": {"productName": "Acme AI", "primaryColor": "#00aa00"},
        "settings": {"cacheTtlSeconds": 60, "semanticCache": False},
    }
    changed = await admin("PATCH", "", change, if_match=before.headers["etag"])
    assert changed.status == 200, changed.body
    assert changed.headers["etag"] != before.headers["etag"]
    tenant = changed.body
    assert (tenant["name"], tenant["region"], tenant["plan"]) == ("Acme", "eu-west", before.body["plan"])
    assert tenant["branding"]["productName"] == "Acme AI"
    assert (tenant["settings"]["cacheTtlSeconds"], tenant["settings"]["semanticCache"]) == (60, False)
    read = await admin("GET", "")
    assert (read.body, read.headers["etag"]) == (tenant, changed.headers["etag"])

    merged = await admin("PATCH", "", {"region": None, "branding": {"productName": None}, "settings": {}})
    assert merged.body["region"] is None
    assert (merged.body["branding"]["productName"], merged.body["branding"]["primaryColor"]) == (None, "#00aa00")
    assert merged.body["settings"] == tenant["settings"]


async def test_a_change_to_what_has_changed_is_refused(admin: Admin) -> None:
    etag = (await admin("GET", "")).headers["etag"]
    assert (await admin("PATCH", "", {"name": "First"}, if_match=etag)).status == 200
    late = await admin("PATCH", "", {"name": "Second"}, if_match=etag)
    assert (late.status, late.code) == (412, "tenant_changed")
    assert (await admin("GET", "")).body["name"] == "First"


async def test_a_change_that_changes_nothing_leaves_the_version(admin: Admin) -> None:
    before = await admin("GET", "")
    same = await admin("PATCH", "", {"name": before.body["name"]})
    assert (same.body, same.headers["etag"]) == (before.body, before.headers["etag"])


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ""},
        {"slug": "other"},
        {"status": "provisioning"},
        {"settings": {"cacheSimilarity": 2}},
        {"settings": {"unknown": 1}},
        {"branding": {"logoUrl": "javascript:alert(1)"}},
        {"branding": {"primaryColor": "red"}},
        {"branding": None},
    ],
)
async def test_what_a_change_cannot_be(admin: Admin, change: dict[str, Any]) -> None:
    refused = await admin("PATCH", "", change)
    assert (refused.status, refused.code) == (422, "validation_failed")


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"plan": "enterprise"}])
async def test_status_and_plan_are_the_operator_s(admin: Admin, as_operator: Admin, change: dict[str, str]) -> None:
    assert (await admin("PATCH", "", change)).status == 403
    changed = await as_operator("PATCH", "", change)
    assert changed.status == 200
    assert changed.body.items() >= change.items()


async def test_a_suspended_tenant_is_refused_everywhere_and_comes_back(
    platform: Platform, api: Api, admin: Admin, as_operator: Admin, tenant: Tenant, token_of: Callable[..., str]
) -> None:
    user = api.as_(token_of(new_subject()))
    # At the edge; at the functions of either host; by key and by token.
    places = [admin.api, user, *(behind_the_edge(c, platform, "llm") for c in (admin.api, user))]
    ask = ("POST", "/v1/chat/completions", QUESTION)
    for place in places:
        assert (await place.call(*ask)).status == 200
    read = ("GET", f"/v1/tenants/{tenant.id}")
    own = behind_the_edge(admin.api, platform, "api")
    assert (await own.call(*read)).status == 200

    assert (await as_operator("PATCH", "", {"status": "suspended"})).status == 200
    for place in places:
        assert (await may(place, 403, *ask)).code == "tenant_suspended"
    await may(own, 403, *read)
    seen = await as_operator("GET", "")
    assert (seen.status, seen.body["status"]) == (200, "suspended")
    found = await as_operator.api.call("GET", f"/v1/tenants?status=suspended&q={tenant.slug[:10].upper()}")
    assert [item["id"] for item in found.body["items"]] == [tenant.id]

    assert (await as_operator("PATCH", "", {"status": "active"})).status == 200
    for place in places:
        await may(place, 200, *ask)
    await may(own, 200, *read)


async def test_tenants_are_found_by_how_name_or_slug_begin(admin: Admin, operator: Api, tenant: Tenant) -> None:
    name = f"Ünique {tenant.slug}"
    await admin("PATCH", "", {"name": name})
    for beginning in (tenant.slug, name[:12], name.lower()):
        found = await operator.call("GET", f"/v1/tenants?q={beginning}")
        assert [item["id"] for item in found.body["items"]] == [tenant.id]
    assert (await operator.call("GET", f"/v1/tenants?q={tenant.slug[2:]}")).body["items"] == []
    assert (await operator.call("GET", "/v1/tenants?q=100%25_")).body["items"] == []


async def test_what_a_tenant_overrides_holds_for_its_calls(api: Api, admin: Admin) -> None:
    async def state() -> str:
        return (await api.as_(admin.tenant.key).chat("What is a mole?")).headers["x-dcoder-cache"]

    await state()
    assert await state() == "hit"
    await admin("PATCH", "", {"settings": {"cacheTtlSeconds": 0}})
    from tests.platform import eventually

    async def is_off() -> bool:
        return await state() == "miss"

    await eventually(is_off, 4.0)
