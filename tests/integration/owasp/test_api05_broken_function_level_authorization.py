"""API5:2023. What only admins or operators may do, nobody else does, however they ask."""

from typing import Any

import pytest

from functions.kit.policies.lines import defaults
from tests.integration.owasp.routes import Guarded, guarded_routes
from tests.platform import Api, Platform, Tenant

USERS = {line.action for line in defaults().lines if line.who == "role:user"}
ADMINS = {line.action for line in defaults().lines if line.who == "role:admin"}


@pytest.mark.parametrize("route", [r for r in guarded_routes() if r.action not in USERS], ids=str)
async def test_a_user_does_nothing_of_an_admins(api: Api, tenant: Tenant, route: Guarded) -> None:
    made = await api.as_(tenant.key).call("POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "k", "role": "user"})
    body: Any = {} if route.method in {"POST", "PUT", "PATCH"} else None
    reply = await api.as_(made.body["secret"]).call(route.method, route.filled({"tenantId": tenant.id}), body)
    assert (reply.status, reply.code) == (403, "forbidden"), reply.body


@pytest.mark.parametrize("route", [r for r in guarded_routes() if r.action not in USERS | ADMINS], ids=str)
async def test_an_admin_does_nothing_of_the_operators(
    platform: Platform, api: Api, tenant: Tenant, route: Guarded
) -> None:
    body: Any = {} if route.method in {"POST", "PUT", "PATCH"} else None
    for credential in (tenant.key, platform.token("--role", "admin", "--tenant", tenant.id)):
        reply = await api.as_(credential).call(route.method, route.filled({"tenantId": tenant.id}), body)
        assert (reply.status, reply.code) == (403, "forbidden"), reply.body


def test_there_is_something_to_guard() -> None:
    actions = {route.action for route in guarded_routes()}
    assert "tenants:create" in actions - ADMINS - USERS
    assert "providers:write" in actions - USERS
    assert actions <= defaults().actions


@pytest.mark.parametrize(
    "header",
    [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-user-role",
        "x-role",
        "x-admin",
        "x-user-id",
        "x-forwarded-user",
        "x-consumer-groups",
    ],
)
async def test_headers_raise_nobody(api: Api, tenant: Tenant, header: str) -> None:
    made = await api.as_(tenant.key).call("POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "k", "role": "user"})
    for value in ("superadmin", "DELETE", "/v1/tenants", "true"):
        reply = await api.as_(made.body["secret"]).call("GET", f"/v1/tenants/{tenant.id}/providers", **{header: value})
        assert reply.status == 403, reply.body


SPELLINGS = ["/v1/tenants/", "/V1/tenants", "/v1//tenants", "/v1/tenants/.", "/v1/tenants;x", "/v1/%74enants"]


@pytest.mark.parametrize("path", SPELLINGS)
async def test_another_spelling_is_not_another_door(api: Api, tenant: Tenant, path: str) -> None:
    assert (await api.as_(tenant.key).call("GET", path)).status in {400, 403, 404}
