"""A tenant's API keys."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from functions.kit.clock import rfc3339, utc_now
from tests.integration.platform_members.conftest import QUESTION, Admin, behind_the_edge, may, new_subject
from tests.platform import Api, Platform, Reply, eventually

pytestmark = pytest.mark.integration


async def listed(admin: Admin, key_id: str) -> dict[str, Any]:
    keys = (await admin("GET", "/api-keys?limit=200")).body["items"]
    found: dict[str, Any] = next(key for key in keys if key["id"] == key_id)
    return found


async def test_a_key_is_shown_once_and_says_when_it_was_used(platform: Platform, api: Api, admin: Admin) -> None:
    made = await admin.key(name="batch", role="user")
    secret = made.pop("secret")
    assert made["masked"] == f"dck_…{secret[-4:]}"
    found = await listed(admin, made["id"])
    assert (found, found["status"], found["lastUsedAt"]) == (made, "active", None)
    assert secret not in (await admin("GET", "/api-keys")).body
    connection = await asyncpg.connect(platform.status["credentials"]["postgresUrl"])
    try:
        row = await connection.fetchrow("SELECT * FROM api_keys WHERE id = $1", made["id"])
    finally:
        await connection.close()
    assert secret not in str(row)

    assert (await api.as_(secret).call("POST", "/v1/chat/completions", QUESTION)).status == 200

    async def used() -> bool:
        return (await listed(admin, made["id"]))["lastUsedAt"] is not None

    await eventually(used)


async def test_a_revoked_key_is_refused_at_the_edge_and_behind_it(platform: Platform, api: Api, admin: Admin) -> None:
    key = await admin.key(role="admin")
    caller = api.as_(key["secret"])
    path = f"/v1/tenants/{admin.tenant.id}"
    for host, asked in (("llm", "/v1/models"), ("api", path)):
        assert (await behind_the_edge(caller, platform, host).call("GET", asked)).status == 200
    assert (await caller.call("GET", path)).status == 200
    assert (await admin("DELETE", f"/api-keys/{key['id']}")).status == 204
    for host, asked in (("llm", "/v1/models"), ("api", path)):
        await may(behind_the_edge(caller, platform, host), 401, "GET", asked)

    async def edge_knows() -> bool:
        refused = await caller.call("GET", path)
        return refused.status == 401 and "revoked" in refused.body["error"]["message"]

    await eventually(edge_knows, 4.0)
    assert (await listed(admin, key["id"]))["status"] == "revoked"
    assert (await admin("DELETE", f"/api-keys/{key['id']}")).status == 204
    rotated = await admin("POST", f"/api-keys/{key['id']}/rotate")
    assert (rotated.status, rotated.code) == (409, "api_key_not_in_force")


async def test_a_rotated_key_s_former_secret_ends_with_its_grace(platform: Platform, api: Api, admin: Admin) -> None:
    key = await admin.key()

    async def rotate(grace: int) -> Api:
        rotated = await admin("POST", f"/api-keys/{key['id']}/rotate", {"graceSeconds": grace})
        assert rotated.status == 200, rotated.body
        assert rotated.body["id"] == key["id"]
        assert rotated.body["masked"].endswith(rotated.body["secret"][-4:])
        return api.as_(rotated.body["secret"])

    first = api.as_(key["secret"])
    second = await rotate(3600)
    for caller in (first, second):
        assert (await caller.call("GET", "/v1/models")).status == 200
        assert (await behind_the_edge(caller, platform, "llm").call("GET", "/v1/models")).status == 200
    third = await rotate(0)
    for caller in (first, second):
        await may(caller, 401)
        await may(behind_the_edge(caller, platform, "llm"), 401)
    assert (await third.call("GET", "/v1/models")).status == 200
    assert (await admin("POST", f"/api-keys/{key['id']}/rotate", {"graceSeconds": 86_401})).status == 422
    assert (await admin("DELETE", f"/api-keys/{key['id']}")).status == 204
    await may(third, 401)


async def test_a_short_grace_ends_by_itself(api: Api, admin: Admin) -> None:
    key = await admin.key()
    rotated = await admin("POST", f"/api-keys/{key['id']}/rotate", {"graceSeconds": 1})
    await may(api.as_(key["secret"]), 401)
    assert (await api.as_(rotated.body["secret"]).call("GET", "/v1/models")).status == 200


async def test_a_repeated_rotation_gives_the_first_answer(api: Api, admin: Admin) -> None:
    key = await admin.key()
    replies = [await admin("POST", f"/api-keys/{key['id']}/rotate", idempotency_key=key["id"]) for _ in range(2)]
    assert replies[0].body == replies[1].body
    assert (await api.as_(replies[1].body["secret"]).call("GET", "/v1/models")).status == 200


async def test_a_key_expires(api: Api, admin: Admin) -> None:
    key = await admin.key(expiresAt=rfc3339(utc_now() + timedelta(seconds=1.5)))
    await may(api.as_(key["secret"]), 401)
    assert (await listed(admin, key["id"]))["status"] == "expired"
    past = await admin("POST", "/api-keys", {"name": "x", "expiresAt": rfc3339(utc_now() - timedelta(minutes=1))})
    assert past.status == 422


async def test_a_key_is_limited_to_its_models(api: Api, admin: Admin) -> None:
    key = await admin.key(models=["openai/gpt-4o-mini"])
    caller = api.as_(key["secret"])
    assert (await caller.chat("What is a pier?")).status == 200
    refusals: list[Reply] = [
        await caller.chat("What is a pier?", "openai/gpt-4o"),
        await caller.chat("What is a pier?", "openai/gpt-4o", stream=True),
        await caller.call("POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "x"}),
    ]
    assert {(refused.status, refused.code) for refused in refusals} == {(403, "model_not_allowed")}


async def test_roles_of_keys(api: Api, admin: Admin) -> None:
    user = await admin.user(new_subject())
    above = await admin("POST", "/api-keys", {"name": "x", "role": "admin", "userId": user["id"]})
    assert (above.status, above.code) == (422, "key_above_its_user")
    assert (await admin("POST", "/api-keys", {"name": "x", "role": "superadmin"})).status == 422
    boss = await admin.user(new_subject(), role="admin")
    await admin.user(new_subject(), role="admin")
    caller = api.as_((await admin.key(role="admin", userId=boss["id"]))["secret"])
    path = f"/v1/tenants/{admin.tenant.id}/api-keys"
    assert (await caller.call("GET", path)).status == 200
    await admin("PATCH", f"/users/{boss['id']}", {"role": "user"})
    await may(caller, 403, "GET", path)


async def test_who_is_let_write_keys_gives_none_above_the_own_role(api: Api, admin: Admin) -> None:
    clerk = await admin.key(name="clerk")
    rule = {"name": "clerks", "who": [f"key:{clerk['id']}"], "actions": ["api-keys:*", "users:*"], "effect": "allow"}
    assert (await admin("PUT", "/policies", {"policies": [rule]})).status == 200
    caller, keys = api.as_(clerk["secret"]), f"/v1/tenants/{admin.tenant.id}/api-keys"
    await may(caller, 200, "GET", keys)
    assert (await caller.call("POST", keys, {"name": "plain"})).status == 201
    assert (await caller.call("POST", keys, {"name": "admin", "role": "admin"})).code == "role_too_high"
    assert (await caller.call("POST", f"{keys}/{admin.tenant.key_id}/rotate")).code == "role_too_high"
    assert (await caller.call("DELETE", f"{keys}/{admin.tenant.key_id}")).code == "role_too_high"
