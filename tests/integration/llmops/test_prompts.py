"""The prompt library through the edge: versions, labels, rolling back; and answers by a tenant's own words."""

import asyncio
from typing import Any

import pytest

from functions.kit.catalogue import load_catalogue
from functions.kit.deployed_prompts import PLATFORM_PROMPTS
from functions.kit.prompt_templates import variables
from functions.knowledge.core.prompts import RELEASED, VALUES
from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Reply, Tenant, eventually

pytestmark = pytest.mark.integration

ANSWER = "/v1/prompts/knowledge.answer"
_BODIES: dict[str, Any] = {
    "POST /v1/prompts/{name}/versions": {"template": "mine now"},
    "PUT /v1/prompts/{name}/labels/{label}": {"version": 1},
    "POST /v1/prompts/{name}/render": {},
}


async def made(api: Api, path: str, body: Any, status: int = 201) -> dict[str, Any]:
    reply = await api.call("POST", path, body)
    assert reply.status == status, reply.body
    answer: dict[str, Any] = reply.body
    return answer


async def deploy(api: Api, name: str, version: int, label: str = "production") -> Reply:
    return await api.call("PUT", f"/v1/prompts/{name}/labels/{label}", {"version": version})


def test_the_platforms_own_prompts_have_the_places_that_tenants_ones_must_have() -> None:
    assert {name: variables(text) for name, text in RELEASED.items()} == dict(PLATFORM_PROMPTS)
    assert VALUES.keys() == set().union(*PLATFORM_PROMPTS.values())


async def test_versions_are_kept_deployed_and_rolled_back(as_tenant: Api) -> None:
    first = await made(as_tenant, "/v1/prompts", {"name": "greeting", "template": "Greet {{who}}.", "note": "short"})
    assert (first["latestVersion"], first["labels"], first["version"]["variables"]) == (1, {}, ["who"])
    assert (await as_tenant.call("POST", "/v1/prompts", {"name": "greeting", "template": "x"})).code == (
        "prompt_name_taken"
    )
    for number in (2, 3):
        version = await made(as_tenant, "/v1/prompts/greeting/versions", {"template": f"{number}: greet {{{{who}}}}."})
        assert version["number"] == number
    for number in (1, 2, 3, 3):
        assert (await deploy(as_tenant, "greeting", number)).body["labels"] == {"production": number}
    assert (await deploy(as_tenant, "greeting", 1, "staging")).body["labels"] == {"production": 3, "staging": 1}
    back = "/v1/prompts/greeting/labels/production/rollback"
    for number in (2, 1):
        assert (await made(as_tenant, back, None, 200))["labels"]["production"] == number
    assert (await as_tenant.call("POST", back)).code == "nothing_to_roll_back"
    # What was taken away comes back as well; what was rolled back from does not.
    assert (await as_tenant.call("DELETE", "/v1/prompts/greeting/labels/production")).body["labels"] == {"staging": 1}
    assert (await as_tenant.call("DELETE", "/v1/prompts/greeting/labels/production")).status == 200
    assert (await made(as_tenant, back, None, 200))["labels"]["production"] == 1
    assert (await as_tenant.call("DELETE", "/v1/prompts/greeting")).code == "prompt_deployed"
    history = await pages(as_tenant, "/v1/prompts/greeting/deployments")
    assert [each["version"] for each in history if each["label"] == "production"] == [1, None, 1, 2, 3, 2, 1]
    assert [each["number"] for each in await pages(as_tenant, "/v1/prompts/greeting/versions")] == [3, 2, 1]
    for label in ("production", "staging"):
        await as_tenant.call("DELETE", f"/v1/prompts/greeting/labels/{label}")
    assert (await as_tenant.call("DELETE", "/v1/prompts/greeting")).status == 204
    assert (await as_tenant.call("GET", "/v1/prompts/greeting")).code == "prompt_not_found"


async def pages(api: Api, path: str) -> list[dict[str, Any]]:
    """All of a listing, two at a time."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        reply = await api.call("GET", f"{path}?limit=2{cursor}")
        assert reply.status == 200, reply.body
        found += reply.body["items"]
        if reply.body["nextCursor"] is None:
            return found
        cursor = f"&cursor={reply.body['nextCursor']}"


async def test_a_prompt_is_filled_in_and_nothing_in_it_runs(as_tenant: Api) -> None:
    await made(as_tenant, "/v1/prompts", {"name": "a.b", "template": r"{{x}} and \{{x}} {x} %s"})
    render = "/v1/prompts/a.b/render"
    told = await made(as_tenant, render, {"variables": {"x": "{{x}}{{y}} {0.__class__}"}}, 200)
    assert told == {"version": 1, "text": "{{x}}{{y}} {0.__class__} and {{x}} {x} %s"}
    wrong = await as_tenant.call("POST", render, {"variables": {"y": "1"}})
    assert (wrong.status, wrong.code) == (422, "prompt_variables")
    assert wrong.body["error"]["details"] == {"missing": ["x"], "unknown": ["y"]}
    assert (await as_tenant.call("POST", render, {"label": "staging"})).code == "prompt_not_found"
    for template, position in (("{{x.__class__}}", 0), ("ab {{ 7*7 }}", 3), ("{{#if x}}", 0)):
        refused = await as_tenant.call("POST", "/v1/prompts/a.b/versions", {"template": template})
        assert (refused.status, refused.code) == (422, "prompt_refused")
        assert refused.body["error"]["details"] == {"position": position}
    for name in ("UPPER", "..", "a/b", "-a", "a" * 64):
        assert (await as_tenant.call("POST", "/v1/prompts", {"name": name, "template": "x"})).status in {400, 422}
    assert (await as_tenant.call("GET", "/v1/prompts?cursor=WyJcdTAwMDAiXQ")).status == 400


async def test_a_prompt_that_would_fill_the_memory_is_not_filled_in(as_tenant: Api) -> None:
    await made(as_tenant, "/v1/prompts", {"name": "long", "template": "{{x}}" * 6_400})
    long = await as_tenant.call("POST", "/v1/prompts/long/render", {"variables": {"x": "x" * 100_000}})
    assert (long.status, long.code) == (422, "prompt_variables")
    assert (await made(as_tenant, "/v1/prompts/long/render", {"variables": {"x": "x" * 100}}, 200))["version"] == 1


async def test_versions_that_are_made_at_once_have_numbers_of_their_own(as_tenant: Api) -> None:
    await made(as_tenant, "/v1/prompts", {"name": "many", "template": "0"})
    made_ones = await asyncio.gather(
        *(made(as_tenant, "/v1/prompts/many/versions", {"template": str(each)}) for each in range(8))
    )
    assert sorted(each["number"] for each in made_ones) == list(range(2, 10))
    assert (await as_tenant.call("GET", "/v1/prompts/many")).body["latestVersion"] == 9


async def test_another_tenants_prompts_do_not_exist(api: Api, new_tenant: NewTenant) -> None:
    owner, stranger = await new_tenant(), await new_tenant()
    mine, theirs = api.as_(owner.key), api.as_(stranger.key)
    await made(mine, "/v1/prompts", {"name": "secret", "template": "the secret sauce"})
    await deploy(mine, "secret", 1)
    (function,) = [each for each in load_catalogue().http() if each.name == "llmops-prompts"]
    for route in function.routes:
        if "{" not in route.path:
            continue
        path = route.path.format(name="secret", number=1, label="production")
        reply = await theirs.call(route.method, path, _BODIES.get(f"{route.method} {route.path}"))
        assert (reply.status, reply.code) == (404, "prompt_not_found"), (route.method, path, reply.body)
        named = await theirs.call(route.method, path, None, **{"x-tenant-id": owner.id})
        assert named.status == 403, (route.method, path)
    assert (await theirs.call("GET", "/v1/prompts")).body["items"] == []
    # The same name is each one's own.
    await made(theirs, "/v1/prompts", {"name": "secret", "template": "another"})
    assert (await mine.call("GET", "/v1/prompts/secret/versions/1")).body["template"] == "the secret sauce"
    assert (await mine.call("GET", "/v1/prompts/secret")).body["labels"] == {"production": 1}


async def test_who_may_read_write_and_deploy_is_for_policies(as_tenant: Api, tenant: Tenant) -> None:
    await made(as_tenant, "/v1/prompts", {"name": "open", "template": "1"})
    await made(as_tenant, "/v1/prompts", {"name": "closed", "template": "1"})
    key = await made(as_tenant, f"/v1/tenants/{tenant.id}/api-keys", {"name": "author", "role": "user"})
    author = as_tenant.as_(str(key["secret"]))
    assert (await author.call("GET", "/v1/prompts/open")).status == 200
    assert (await author.call("POST", "/v1/prompts/open/versions", {"template": "2"})).status == 403
    when = "resource.kind == 'prompt' and resource.name == 'open'"
    policy = {"name": "authors", "who": ["role:user"], "actions": ["prompts:write"], "when": when, "effect": "allow"}
    assert (await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/policies", {"policies": [policy]})).status == 200

    async def may_write() -> bool:
        return (await author.call("POST", "/v1/prompts/open/versions", {"template": "2"})).status == 201

    assert await eventually(may_write)
    assert (await author.call("POST", "/v1/prompts/closed/versions", {"template": "2"})).status == 403
    assert (await deploy(author, "open", 1)).status == 403
    trail = await as_tenant.call("GET", "/v1/audit?limit=50")
    acts = {(each["action"], each["outcome"]) for each in trail.body["items"]}
    assert {("prompts:write", "success"), ("prompts:write", "denied"), ("prompts:deploy", "denied")} <= acts


async def test_answers_are_made_by_the_tenants_own_prompt(api: Api, new_tenant: NewTenant, platform: Platform) -> None:
    tenant, other = await new_tenant(), await new_tenant()
    for each in (tenant, other):
        await stock(api.as_(each.key), each, platform)
    mine = api.as_(tenant.key)
    refused = await mine.call("POST", "/v1/prompts", {"name": "knowledge.answer", "template": "Answer {{question}}."})
    assert (refused.status, refused.code) == (422, "prompt_refused")
    assert refused.body["error"]["details"] == {"missing": ["abstention"], "unknown": ["question"]}
    pirate = "Answer as a pirate, from the passages, with [n]; else say {{abstention}}"
    await made(mine, "/v1/prompts", {"name": "knowledge.answer", "template": pirate})
    assert await answered_by(mine) is None
    assert (await deploy(mine, "knowledge.answer", 1)).status == 200

    async def version(wanted: int | None) -> bool:
        return await answered_by(mine) == wanted

    assert await eventually(lambda: version(1))
    told = await systems(api, platform, tenant)
    assert f"Answer as a pirate, from the passages, with [n]; else say {VALUES['abstention']}" in told
    assert not any("pirate" in text for text in await systems(api, platform, other))
    assert await answered_by(api.as_(other.key)) is None
    chat = {"model": "doc-chat", "messages": [{"role": "user", "content": "How tall is the Eiffel Tower?"}]}
    assert (await mine.call("POST", "/knowledge/v1/chat/completions", chat)).body["grounding"]["promptVersion"] == 1
    assert (await mine.call("DELETE", f"{ANSWER}/labels/production")).status == 200
    assert await eventually(lambda: version(None))


async def stock(api: Api, tenant: Tenant, platform: Platform) -> None:
    """A default model, and a document to answer from."""
    provider = {
        "name": "openai", "kind": "openai", "apiKey": tenant.provider_key, "baseUrl": f"{platform.simulator}/openai/v1",
        "defaultModel": "gpt-4o-mini",
    }  # fmt: skip
    stored = await api.call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
    assert stored.status == 200, stored.body
    corpus = await made(api, "/v1/corpora", {"name": "Towers"})
    body = {"corpusId": corpus["id"], "name": "tower.txt", "content": "The Eiffel Tower is 330 metres tall."}
    document = await made(api, "/v1/documents", body, 202)

    async def indexed() -> bool:
        return bool((await api.call("GET", f"/v1/documents/{document['id']}")).body["status"] == "indexed")

    assert await eventually(indexed, 110)


async def answered_by(api: Api) -> int | None:
    reply = await api.call("POST", "/v1/answers", {"question": "How tall is the Eiffel Tower?"})
    assert reply.status == 200, reply.body
    assert "330 metres" in reply.body["answer"]
    version: int | None = reply.body["promptVersion"]
    return version


async def systems(api: Api, platform: Platform, tenant: Tenant) -> list[str]:
    """What the provider was told by the tenant's calls."""
    async with api.session.get(f"{platform.simulator}/_sim/requests?key={tenant.provider_key}") as response:
        entries = (await response.json())["requests"]
    messages = [entry["body"]["messages"] for entry in entries if "messages" in entry["body"]]
    return [message["content"] for each in messages for message in each if message["role"] == "system"]
