"""Two tenants never see each other's anything: every route of the catalogue with the other's credential."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from functions.kit.policies.lines import defaults
from tests.integration.conftest import NewTenant
from tests.integration.owasp.routes import Guarded, guarded_routes
from tests.platform import Api, Platform

ROOT = Path(__file__).resolve().parent.parent

ROUTES = guarded_routes()
# Their tenant is in the path.
OF_A_TENANT = [route for route in ROUTES if "tenantId" in route.parameters()]
# Closed to every tenant: tests/integration/owasp/test_api05_broken_function_level_authorization.py.
OPERATORS = [
    route
    for route in ROUTES
    if route.action not in {line.action for line in defaults().lines if line.who != "role:superadmin"}
]
# Their tenant is the credential's own: what one tenant configured must not show in the other's answer.
MODELS: dict[str, dict[str, Any] | None] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
    "/v1/responses": {"input": "x"},
    "/v1/messages": {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/embeddings": {"input": "x"},
    "/v1/models": None,
    "/v1/models/{model:path}": None,
}
OF_MODELS = [route for route in ROUTES if route.path.removeprefix("/llm/{provider}/{model:path}") in MODELS]
# Routes whose isolation needs more than one request to show, and where it is shown.
ELSEWHERE = {
    "/v1/agents": "agents",
    "/agents/v1": "agents",
    "/v1/audit": "audit",
    "/v1/cache": "gateway_cache",
    "/v1/mcp": "integrations",
    "/v1/corpora": "knowledge",
    "/v1/documents": "knowledge",
    "/v1/indexes": "knowledge",
    "/v1/ingestion-jobs": "knowledge",
    "/v1/prompts": "llmops",
    "/v1/search": "knowledge_search",
    "/v1/answers": "knowledge_search",
    "/knowledge/v1": "knowledge_search",
    "/v1/responses/": "gateway_apis",
}


def test_every_route_is_covered() -> None:
    """A new route is in one of the groups by its path or its action, or names its tests here."""
    covered = {*OF_A_TENANT, *OPERATORS, *OF_MODELS}
    for route in ROUTES:
        folders = [folder for beginning, folder in ELSEWHERE.items() if route.path.startswith(beginning)]
        assert route in covered or folders, f"{route}: where is its isolation tested?"
        assert all((ROOT / folder).is_dir() for folder in folders)


@pytest.mark.parametrize("route", OF_A_TENANT, ids=str)
async def test_a_stranger_is_refused_alike_whether_the_thing_exists_or_not(
    platform: Platform, api: Api, new_tenant: NewTenant, route: Guarded
) -> None:
    victim, stranger = await new_tenant(), await new_tenant()
    token = platform.token("--role", "admin", "--tenant", stranger.id)
    body: Any = {} if route.method in {"POST", "PUT", "PATCH"} else None
    nobody, thing = str(uuid.uuid4()), str(uuid.uuid4())
    for credential in (stranger.key, token):
        answers = []
        for tenant_id in (victim.id, nobody):
            ids = dict.fromkeys(route.parameters(), thing) | {"tenantId": tenant_id}
            reply = await api.as_(credential).call(route.method, route.filled(ids), body)
            answers.append((reply.status, reply.body))
        assert answers[0][0] == 403
        assert answers[0] == answers[1]


@pytest.mark.parametrize("route", OF_MODELS, ids=str)
async def test_a_provider_of_one_tenant_does_not_exist_for_the_other(
    platform: Platform, api: Api, new_tenant: NewTenant, route: Guarded
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
    path = route.path.replace("/llm/{provider}/{model:path}", "/llm/secret/m").replace("{model:path}", "secret/m")
    body = MODELS[route.path.removeprefix("/llm/{provider}/{model:path}")]
    reply = await api.as_(other.key).call(route.method, path, None if body is None else {"model": "secret/m", **body})
    # A provider of the other's own that takes any model may take one of this name; it is not the owner's.
    answers_from_here = route.method == "GET" or route.path.endswith("/count_tokens")
    assert reply.status == 404 or (answers_from_here and reply.status == 200), reply.body
    assert "'owned_by': 'secret'" not in str(reply.body)
    assert "'id': 'secret/" not in str(reply.body)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/tenants/{tenantId}/usage"])
async def test_naming_another_tenant_in_a_header_does_not_help(api: Api, new_tenant: NewTenant, path: str) -> None:
    victim, stranger = await new_tenant(), await new_tenant()
    own = path.replace("{tenantId}", stranger.id)
    assert (await api.as_(stranger.key).call("GET", own, x_tenant_id=victim.id)).status == 403
    assert (await api.as_(stranger.key).call("GET", own, x_tenant_id=stranger.id)).status == 200
