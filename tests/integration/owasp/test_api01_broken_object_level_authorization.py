"""API1:2023. A thing of one tenant does not exist for another, whose own path it is asked for under."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conftest import NewTenant
from tests.integration.owasp.routes import Guarded, guarded_routes
from tests.platform import Api, Tenant

# Things within a tenant that a path names by id.
WITHIN = [route for route in guarded_routes() if {"tenantId"} < set(route.parameters())]


@dataclass(frozen=True)
class Things:
    """A tenant, and something of each kind in it."""

    tenant: Tenant
    ids: dict[str, str]


async def things_of(api: Api, tenant: Tenant) -> Things:
    mine, base = api.as_(tenant.key), f"/v1/tenants/{tenant.id}"
    user = await mine.call("POST", f"{base}/users", {"email": f"{uuid.uuid4().hex}@example.com", "subject": "s"})
    group = await mine.call("POST", f"{base}/groups", {"name": uuid.uuid4().hex})
    key = await mine.call("POST", f"{base}/api-keys", {"name": "a key"})
    made = {"userId": user, "groupId": group, "keyId": key}
    assert {reply.status for reply in made.values()} == {201}, {name: reply.body for name, reply in made.items()}
    return Things(tenant, {name: str(reply.body["id"]) for name, reply in made.items()})


@pytest.mark.parametrize("route", WITHIN, ids=str)
async def test_another_tenants_thing_under_my_own_path(api: Api, new_tenant: NewTenant, route: Guarded) -> None:
    victim, mine = await things_of(api, await new_tenant()), await new_tenant()
    caller = api.as_(mine.key)
    body: Any = {} if route.method in {"POST", "PUT", "PATCH"} else None
    theirs = await caller.call(route.method, route.filled({**victim.ids, "tenantId": mine.id}), body)
    nobodys = await caller.call(route.method, route.filled({"tenantId": mine.id}), body)
    assert theirs.status in {400, 404, 409, 422}, theirs.body
    assert (theirs.status, theirs.code) == (nobodys.status, nobodys.code)
    assert not any(value in str(theirs.body) for value in victim.ids.values())


async def test_what_was_tried_changed_nothing(api: Api, new_tenant: NewTenant) -> None:
    victim, mine = await things_of(api, await new_tenant()), await new_tenant()
    base = f"/v1/tenants/{victim.tenant.id}"
    before = [(await api.as_(victim.tenant.key).call("GET", base + path)).body for path in ("/users", "/groups")]
    for route in WITHIN:
        body: Any = {} if route.method in {"POST", "PUT", "PATCH"} else None
        await api.as_(mine.key).call(route.method, route.filled({**victim.ids, "tenantId": mine.id}), body)
    after = [(await api.as_(victim.tenant.key).call("GET", base + path)).body for path in ("/users", "/groups")]
    assert before == after
    still = await api.as_(victim.tenant.key).call("GET", f"{base}/api-keys")
    assert victim.ids["keyId"] in str(still.body)


async def test_a_things_id_in_the_body_is_looked_for_in_the_callers_tenant(api: Api, new_tenant: NewTenant) -> None:
    victim, mine = await things_of(api, await new_tenant()), await new_tenant()
    base, caller = f"/v1/tenants/{mine.id}", api.as_(mine.key)
    group = (await caller.call("POST", f"{base}/groups", {"name": "ours"})).body["id"]
    limit = {"metric": "requests", "window": "day", "limit": 1}
    for method, path, body in (
        ("PUT", f"{base}/groups/{group}/members", {"userIds": [victim.ids["userId"]]}),
        ("POST", f"{base}/api-keys", {"name": "k", "userId": victim.ids["userId"]}),
        ("POST", f"{base}/api-keys", {"name": "k", "groupId": victim.ids["groupId"]}),
        ("POST", f"{base}/users", {"email": "a@example.com", "groups": [victim.ids["groupId"]]}),
        ("PUT", f"{base}/quotas", {"quotas": [{**limit, "subject": {"kind": "group", "id": victim.ids["groupId"]}}]}),
        ("PUT", f"{base}/quotas", {"quotas": [{**limit, "subject": {"kind": "api_key", "id": victim.ids["keyId"]}}]}),
    ):
        reply = await caller.call(method, path, body)
        assert reply.status == 422, (path, body, reply.body)
