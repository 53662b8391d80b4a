"""API3:2023. Nobody sets a field that is not theirs to set, and no secret shows in an answer."""

import uuid
from typing import Any

import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Tenant


@pytest.mark.parametrize(
    "more",
    [
        {"id": str(uuid.uuid4())},
        {"tenantId": str(uuid.uuid4())},
        {"database": "platform"},
        {"slug": "other"},
        {"createdAt": "2020-01-01T00:00:00Z"},
        {"apiKey": {"secret": "dck_" + "a" * 40}},
        {"__proto__": {"role": "superadmin"}},
        {"roles": ["superadmin"]},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_fields_that_are_not_the_bodys_are_refused(api: Api, tenant: Tenant, more: dict[str, Any]) -> None:
    mine, base = api.as_(tenant.key), f"/v1/tenants/{tenant.id}"
    for method, path, body in (
        ("PATCH", base, {"name": "x"}),
        ("POST", f"{base}/users", {"email": "a@example.com"}),
        ("POST", f"{base}/groups", {"name": "g"}),
        ("POST", f"{base}/api-keys", {"name": "k"}),
        ("PUT", f"{base}/quotas", {"quotas": []}),
    ):
        reply = await mine.call(method, path, {**body, **more})
        assert (reply.status, reply.code) == (422, "validation_failed"), (path, reply.body)


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"plan": "enterprise"}], ids=str)
async def test_a_tenant_does_not_set_what_the_operator_sets(api: Api, tenant: Tenant, change: dict[str, str]) -> None:
    reply = await api.as_(tenant.key).call("PATCH", f"/v1/tenants/{tenant.id}", change)
    assert reply.status == 403, reply.body
    seen = (await api.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}")).body
    assert (seen["status"], seen["plan"]) == ("active", "standard")


async def test_nobody_gives_more_than_they_have(api: Api, tenant: Tenant) -> None:
    mine, base = api.as_(tenant.key), f"/v1/tenants/{tenant.id}"
    reply = await mine.call("POST", f"{base}/users", {"email": "a@example.com", "role": "superadmin"})
    assert (reply.status, reply.code) == (403, "role_too_high")
    assert (await mine.call("POST", f"{base}/api-keys", {"name": "k", "role": "superadmin"})).status == 422
    user = (await mine.call("POST", f"{base}/users", {"email": "b@example.com", "subject": "b"})).body
    reply = await mine.call("POST", f"{base}/api-keys", {"name": "k", "role": "admin", "userId": user["id"]})
    assert (reply.status, reply.code) == (422, "key_above_its_user")


async def test_secrets_are_never_shown_again(api: Api, new_tenant: NewTenant) -> None:
    tenant = await new_tenant()
    mine, base = api.as_(tenant.key), f"/v1/tenants/{tenant.id}"
    answers = [await mine.call("GET", base + path) for path in ("", "/providers", "/api-keys", "/users", "/quotas")]
    answers.append(await mine.call("POST", f"{base}/providers/openai/test"))
    for reply in answers:
        assert reply.status == 200, reply.body
        text = str(reply.body) + str(reply.headers)
        assert tenant.key not in text
        assert tenant.provider_key not in text
        assert not any(word in text.lower() for word in ("keyhash", "key_hash", "ciphertext", "password"))
