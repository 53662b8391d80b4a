"""A tenant's prompts get shorter on their way to the provider, and nobody pays for what was left out."""

from typing import Any

from tests.integration.slice.test_chat import bill, usage
from tests.platform import Api, Platform, Tenant, eventually
from tests.unit.gateway.compression.prompts import ANSWER, long_prompt

MODEL = "openai/gpt-4o-mini"
FRESH = {"cache_control": "no-store"}


async def set_level(operator: Api, as_tenant: Api, tenant: Tenant, level: str) -> None:
    changed = await operator.call("PATCH", f"/v1/tenants/{tenant.id}", {"settings": {"compression": level}})
    assert changed.status == 200, changed.body

    async def is_known() -> bool:
        # The first long prompt waits for a process, maybe for longer than it may.
        return "x-dcoder-compression" in (await ask(as_tenant, long_prompt(), x_request_id="warming-up")).headers

    assert await eventually(is_known)


async def ask(as_tenant: Api, messages: list[dict[str, Any]], **headers: str) -> Any:
    body = {"model": MODEL, "messages": messages}
    return await as_tenant.call("POST", "/v1/chat/completions", body, **{**FRESH, **headers})


async def received(api: Api, platform: Platform, tenant: Tenant) -> str:
    async with api.session.get(f"{platform.simulator}/_sim/requests?key={tenant.provider_key}") as response:
        requests = (await response.json())["requests"]
    return str([one["body"] for one in requests if one["path"].endswith("chat/completions")][-1])


async def test_a_long_prompt_gets_shorter_and_says_by_how_much(
    platform: Platform, api: Api, operator: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await set_level(operator, as_tenant, tenant, "light")
    before = await bill(api, platform, tenant)
    reply = await ask(as_tenant, long_prompt())
    assert reply.status == 200, reply.body
    level, had, has = reply.headers["x-dcoder-compression"].split("; ")
    tokens = [int(part.partition("=")[2]) for part in (had, has)]
    assert (level, had[:7], has[:6]) == ("light", "before=", "after=")
    assert 0.7 <= tokens[1] / tokens[0] <= 0.8
    sent = await received(api, platform, tenant)
    assert ANSWER in sent
    after = await bill(api, platform, tenant)
    whole = await ask(as_tenant, long_prompt(), x_compression="off")
    assert "x-dcoder-compression" not in whole.headers
    compressed_prompt = after["promptTokens"] - before["promptTokens"]
    assert compressed_prompt < 0.85 * ((await bill(api, platform, tenant))["promptTokens"] - after["promptTokens"])

    async def saved() -> int:
        return sum(row["compressionSavedTokens"] for row in await usage(as_tenant, tenant))

    async def is_counted() -> bool:
        return await saved() >= tokens[0] - tokens[1]

    assert await eventually(is_counted)


async def test_the_same_long_question_again_is_a_hit_whatever_the_level(
    operator: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await set_level(operator, as_tenant, tenant, "full")

    async def hit() -> bool:
        reply = await ask(as_tenant, long_prompt(), cache_control="max-age=3600")
        # A cached answer took no prompt.
        assert ("x-dcoder-compression" in reply.headers) == (reply.headers["x-dcoder-cache"] == "miss")
        return bool(reply.headers["x-dcoder-cache"] == "hit")

    assert await eventually(hit)
    lower = await ask(as_tenant, long_prompt(), cache_control="max-age=3600", x_compression="off")
    assert lower.headers["x-dcoder-cache"] == "hit"


async def test_under_a_hard_limit_the_shorter_prompt_is_what_is_held(
    operator: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await set_level(operator, as_tenant, tenant, "full")
    quotas = {"quotas": [{"subject": {"kind": "tenant"}, "metric": "tokens", "window": "day", "limit": 100_000}]}
    assert (await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/quotas", quotas)).status == 200
    reply = await ask(as_tenant, long_prompt())
    assert (reply.status, "x-dcoder-compression" in reply.headers) == (200, True)


async def test_a_level_that_is_none_is_refused(as_tenant: Api) -> None:
    refused = await ask(as_tenant, long_prompt(), x_compression="a-lot")
    assert (refused.status, refused.code) == (400, "invalid_request")


async def test_a_request_passed_on_as_it_came_gets_shorter_too(
    platform: Platform, api: Api, operator: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await set_level(operator, as_tenant, tenant, "light")
    prompt = long_prompt()
    body = {"model": MODEL, "input": [{"role": one["role"], "content": one["content"]} for one in prompt]}
    reply = await as_tenant.call("POST", "/v1/responses", body, **FRESH)
    assert reply.status == 200, reply.body
    had, has = (int(part.partition("=")[2]) for part in reply.headers["x-dcoder-compression"].split("; ")[1:])
    assert has < had
    async with api.session.get(f"{platform.simulator}/_sim/requests?key={tenant.provider_key}") as response:
        sent = [one["body"] for one in (await response.json())["requests"] if one["path"].endswith("/responses")][-1]
    assert ANSWER in str(sent)
    assert len(str(sent["input"])) < 0.85 * len(str(body["input"]))
    whole = await as_tenant.call("POST", "/v1/responses", body, **FRESH, x_compression="off")
    assert "x-dcoder-compression" not in whole.headers
    assert whole.body["usage"]["input_tokens"] > reply.body["usage"]["input_tokens"]
