"""Reading and replacing access policies, and what comes of it in every process."""

from functools import partial
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest

from functions.kit.runtime import Runtime
from functions.platform.core.models import ProvisionedTenant
from functions.platform.wiring import Platform
from tests.integration.platform.conftest import Caller, Issuer, provision
from tests.integration.platform.postgres import Postgres
from tests.integration.platform_policies.conftest import People, callers, eventually

pytestmark = pytest.mark.integration

USERS_SEE_USAGE = {
    "name": "users see usage",
    "who": ["role:user"],
    "actions": ["usage:read"],
    "when": "subject.kind == 'user'",
    "effect": "allow",
}
NOBODY_SEES_USAGE = {"name": "nobody", "who": ["role:user", "role:admin"], "actions": ["usage:*"], "effect": "deny"}


def body(*policies: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"policies": list(policies), **more}


async def put(caller: Caller, path: str, sent: dict[str, Any]) -> dict[str, Any]:
    answer = await caller("PUT", path, sent)
    assert answer.status_code == 200, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


async def test_nothing_is_added_at_first(people: People) -> None:
    answer = await people.admin("GET", people.path)
    assert answer.status_code == 200
    assert {**answer.json(), "actions": None} == {
        "version": 0,
        "updatedAt": None,
        "roles": [],
        "policies": [],
        "actions": None,
    }


async def test_what_was_put_is_got_and_replaced(people: People) -> None:
    roles = [{"name": "controller", "members": ["group:finance"]}]
    first = await put(people.admin, people.path, body(USERS_SEE_USAGE, roles=roles))
    assert (await people.admin("GET", people.path)).json() == first
    assert first["policies"] == [USERS_SEE_USAGE]
    assert first["roles"] == roles
    second = await put(people.operator, people.path, body())
    assert second["version"] > first["version"]
    assert not second["policies"]
    assert not second["roles"]


async def test_a_change_is_in_force_here_and_elsewhere(
    people: People, elsewhere: httpx.AsyncClient, issuer: Issuer
) -> None:
    there = callers(elsewhere, people.tenant_id, issuer)
    for user in (people.user, there.user):
        assert (await user("GET", people.usage)).status_code == 403
    await put(people.admin, people.path, body(USERS_SEE_USAGE))
    for user in (people.user, there.user):
        await eventually(partial(status_is, user, people.usage, 200))
    await put(people.admin, people.path, body(USERS_SEE_USAGE, NOBODY_SEES_USAGE))
    for caller in (people.user, people.admin, there.user, there.admin):
        await eventually(partial(status_is, caller, people.usage, 403))
    assert await status_is(there.operator, people.usage, 200)


async def status_is(caller: Caller, path: str, status: int) -> bool:
    return (await caller("GET", path)).status_code == status


async def test_the_platforms_policies_hold_for_every_tenant(
    people: People, runtime: Runtime, use: Platform, client: httpx.AsyncClient, issuer: Issuer
) -> None:
    others = callers(client, (await provision(runtime, use)).tenant.id, issuer)
    try:
        await put(people.operator, "/v1/policies", body(NOBODY_SEES_USAGE))
        for admin, path in ((people.admin, people.usage), (others.admin, others.usage)):
            await eventually(partial(status_is, admin, path, 403))
        assert (await people.operator("GET", "/v1/policies")).json()["policies"][0]["name"] == "nobody"
    finally:
        await put(people.operator, "/v1/policies", body())
    await eventually(lambda: status_is(people.admin, people.usage, 200))


async def test_who_may_change_what(
    people: People, runtime: Runtime, use: Platform, client: httpx.AsyncClient, issuer: Issuer
) -> None:
    others = callers(client, (await provision(runtime, use)).tenant.id, issuer)
    for caller, path in (
        (people.user, people.path),
        (others.admin, people.path),
        (people.admin, "/v1/policies"),
        (people.user, "/v1/policies"),
    ):
        for method, sent in (("GET", None), ("PUT", body())):
            answer = await caller(method, path, sent)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("effect", "action"),
    [
        ("allow", "policies:write"),
        ("deny", "policies:write"),
        ("allow", "tenants:create"),
        ("deny", "tenants:create"),
        ("allow", "platform-policies:*"),
        ("allow", "tenants:sell"),
        ("deny", "nonsense:*"),
    ],
)
async def test_a_policy_beyond_its_owners_say_is_refused(people: People, effect: str, action: str) -> None:
    policy = {**USERS_SEE_USAGE, "effect": effect, "actions": ["usage:read", action]}
    for caller, path in ((people.admin, people.path), (people.operator, "/v1/policies")):
        answer = await caller("PUT", path, body(policy))
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "policy_not_allowed"
        assert answer.json()["error"]["details"] == {"policy": "users see usage", "action": action}


@pytest.mark.parametrize(
    "sent",
    [
        {"policies": [{**USERS_SEE_USAGE, "when": "__import__('os')"}]},
        {"policies": [{**USERS_SEE_USAGE, "who": ["role:unknown"]}]},
        {"policies": [USERS_SEE_USAGE, USERS_SEE_USAGE]},
        {"policies": [{**USERS_SEE_USAGE, "name": "\x00"}]},
        {"policies": [], "version": -1},
    ],
)
async def test_what_makes_no_sense_is_refused(people: People, sent: dict[str, Any]) -> None:
    for caller, path in ((people.admin, people.path), (people.operator, "/v1/policies")):
        answer = await caller("PUT", path, sent)
        assert answer.status_code == 422, answer.text


async def test_the_platform_has_no_roles_of_its_own(people: People) -> None:
    answer = await people.operator("PUT", "/v1/policies", body(roles=[{"name": "ours", "members": []}]))
    assert answer.status_code == 422


async def test_a_change_of_what_has_changed_is_refused(people: People) -> None:
    first = await put(people.admin, people.path, body(version=0))
    await put(people.admin, people.path, body(USERS_SEE_USAGE, version=first["version"]))
    answer = await people.admin("PUT", people.path, body(version=first["version"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "policies_changed")
    assert (await people.admin("GET", people.path)).json()["policies"] == [USERS_SEE_USAGE]


@pytest.mark.parametrize("tenant_id", ["01936d5e-0000-7000-8000-000000000000", "nonsense"])
async def test_a_tenant_that_there_is_not_has_no_policies(people: People, tenant_id: str) -> None:
    for method, sent in (("GET", None), ("PUT", body())):
        answer = await people.operator(method, f"/v1/tenants/{tenant_id}/policies", sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "tenant_not_found")


async def test_a_change_is_announced(people: People, postgres: Postgres, tenant: ProvisionedTenant) -> None:
    stored = await put(people.admin, people.path, body(USERS_SEE_USAGE))
    superuser = await asyncpg.connect(postgres.url("platform"))
    try:
        payload = await superuser.fetchval(
            "SELECT payload->'data' FROM outbox WHERE subject = 'policy.updated' AND tenant_id = $1", tenant.tenant.id
        )
    finally:
        await superuser.close()
    assert f'"version": {stored["version"]}' in payload
