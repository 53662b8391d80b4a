"""Two tenants never see each other's anything: every route of the catalogue with the other's credential."""

import re
import uuid
from typing import Any

import pytest

from functions.kit.catalogue import Route, load_catalogue
from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant

# What a stranger sends to a route, for routes whose tenant is in the path. A new route must be added here.
TENANT_ROUTES: dict[tuple[str, str], Any] = {
    ("GET", "/v1/tenants/{tenantId}"): None,
    ("PATCH", "/v1/tenants/{tenantId}"): {"name": "Stolen"},
    ("GET", "/v1/tenants/{tenantId}/users"): None,
    ("POST", "/v1/tenants/{tenantId}/users"): {"email": "mallory@example.com", "role": "admin"},
    ("GET", "/v1/tenants/{tenantId}/users/{userId}"): None,
    ("PATCH", "/v1/tenants/{tenantId}/users/{userId}"): {"status": "deactivated"},
    ("DELETE", "/v1/tenants/{tenantId}/users/{userId}"): None,
    ("GET", "/v1/tenants/{tenantId}/groups"): None,
    ("POST", "/v1/tenants/{tenantId}/groups"): {"name": "Staff"},
    ("PATCH", "/v1/tenants/{tenantId}/groups/{groupId}"): {"name": "Staff"},
    ("DELETE", "/v1/tenants/{tenantId}/groups/{groupId}"): None,
    ("GET", "/v1/tenants/{tenantId}/groups/{groupId}/members"): None,
    ("PUT", "/v1/tenants/{tenantId}/groups/{groupId}/members"): {"userIds": []},
    ("PUT", "/v1/tenants/{tenantId}/groups/{groupId}/members/{userId}"): None,
    ("DELETE", "/v1/tenants/{tenantId}/groups/{groupId}/members/{userId}"): None,
    ("GET", "/v1/tenants/{tenantId}/api-keys"): None,
    ("POST", "/v1/tenants/{tenantId}/api-keys"): {"name": "mine", "role": "admin"},
    ("POST", "/v1/tenants/{tenantId}/api-keys/{keyId}/rotate"): None,
    ("DELETE", "/v1/tenants/{tenantId}/api-keys/{keyId}"): None,
    ("POST", "/v1/tenants/{tenantId}/providers/{name}/test"): None,
    ("GET", "/v1/tenants/{tenantId}/providers"): None,
    ("PUT", "/v1/tenants/{tenantId}/providers"): {"providers": []},
    ("GET", "/v1/tenants/{tenantId}/usage"): None,
    ("GET", "/v1/tenants/{tenantId}/quotas"): None,
    ("PUT", "/v1/tenants/{tenantId}/quotas"): {"quotas": []},
    ("GET", "/v1/tenants/{tenantId}/policies"): None,
    ("PUT", "/v1/tenants/{tenantId}/policies"): {"policies": []},
    ("GET", "/v1/tenants/{tenantId}/flags"): None,
    ("PUT", "/v1/tenants/{tenantId}/flags"): {"flags": {"plugin-example": {"enabled": True}}},
    ("GET", "/v1/tenants/{tenantId}/flags/webhook"): None,
    ("PUT", "/v1/tenants/{tenantId}/flags/webhook"): {"url": "https://example.com/"},
    ("DELETE", "/v1/tenants/{tenantId}/flags/webhook"): None,
}
# Routes of the platform's operator, closed to every tenant.
OPERATOR_ROUTES: dict[tuple[str, str], Any] = {
    ("GET", "/v1/policies"): None,
    ("PUT", "/v1/policies"): {"policies": []},
    ("GET", "/v1/tenants"): None,
    ("POST", "/v1/tenants"): {"name": "x", "slug": "stolen"},
    ("GET", "/v1/flags"): None,
    ("PUT", "/v1/flags"): {"flags": {"chat-completions": {"enabled": False}}},
}
# Routes whose tenant is the credential's own: what one tenant did must not show in the other's answer.
OWN_ROUTES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/chat/completions"): {"model": "secret/m", "messages": [{"role": "user", "content": "x"}]},
    ("POST", "/v1/embeddings"): {"model": "secret/m", "input": "x"},
    ("GET", "/v1/models"): None,
}


def routes() -> set[Route]:
    return {route for function in load_catalogue().http() if not function.public for route in function.routes}


def test_every_route_is_covered() -> None:
    covered = TENANT_ROUTES.keys() | OPERATOR_ROUTES.keys() | OWN_ROUTES.keys()
    assert {(route.method, route.path) for route in routes()} == covered


@pytest.mark.parametrize(("method", "path"), sorted(TENANT_ROUTES))
async def test_a_stranger_is_refused_alike_whether_the_thing_exists_or_not(
    platform: Platform, api: Api, new_tenant: NewTenant, method: str, path: str
) -> None:
    victim, stranger = await new_tenant(), await new_tenant()
    token = platform.token("--role", "admin", "--tenant", stranger.id)
    body = TENANT_ROUTES[method, path]
    for credential in (stranger.key, token):
        answers = []
        for tenant_id in (victim.id, str(uuid.uuid4())):
            real = re.sub(r"\{tenantId\}", tenant_id, path)
            reply = await api.as_(credential).call(method, real, body)
            answers.append((reply.status, reply.body))
        assert answers[0][0] == 403
        assert answers[0] == answers[1]


@pytest.mark.parametrize(("method", "path"), sorted(OPERATOR_ROUTES))
async def test_the_operator_s_routes_are_closed_to_tenants(
    platform: Platform, api: Api, tenant: Tenant, method: str, path: str
) -> None:
    for credential in (tenant.key, platform.token("--role", "admin", "--tenant", tenant.id)):
        assert (await api.as_(credential).call(method, path, OPERATOR_ROUTES[method, path])).status == 403


@pytest.mark.parametrize(("method", "path"), sorted(OWN_ROUTES))
async def test_a_provider_of_one_tenant_does_not_exist_for_the_other(
    platform: Platform, api: Api, new_tenant: NewTenant, method: str, path: str
) -> None:
    owner, other = await new_tenant(), await new_tenant()
    provider = {
        "name": "secret",
        "kind": "openai",
        "apiKey": owner.provider_key,
        "baseUrl": f"{platform.simulator}/openai/v1",
        "models": ["m"],
    }
    stored = await api.as_(owner.key).call("PUT", f"/v1/tenants/{owner.id}/providers", {"providers": [provider]})
    assert stored.status == 200, stored.body
    reply = await api.as_(other.key).call(method, path, OWN_ROUTES[method, path])
    assert "secret/m" not in str(reply.body) or reply.status == 404
    assert reply.status in {200, 404}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/tenants/{tenantId}/usage"])
async def test_naming_another_tenant_in_a_header_does_not_help(api: Api, new_tenant: NewTenant, path: str) -> None:
    victim, stranger = await new_tenant(), await new_tenant()
    own = path.replace("{tenantId}", stranger.id)
    assert (await api.as_(stranger.key).call("GET", own, x_tenant_id=victim.id)).status == 403
    assert (await api.as_(stranger.key).call("GET", own, x_tenant_id=stranger.id)).status == 200
