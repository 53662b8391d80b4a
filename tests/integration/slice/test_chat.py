"""Chat completions through the edge: the official client, the cache, streams, and the bill."""

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually


async def bill(api: Api, platform: Platform, tenant: Tenant) -> dict[str, Any]:
    async with api.session.get(f"{platform.simulator}/_sim/usage") as response:
        keys = (await response.json())["keys"]
    return dict(keys.get(tenant.provider_key, {}))


async def usage(as_tenant: Api, tenant: Tenant) -> list[dict[str, Any]]:
    reply = await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/usage")
    assert reply.status == 200, reply.body
    return list(reply.body["items"])


async def totals(as_tenant: Api, tenant: Tenant, requests: int, seconds: float = 20.0) -> dict[str, int]:
    """The tenant's usage, once so many requests are mirrored."""

    async def probe() -> dict[str, int]:
        rows = await usage(as_tenant, tenant)
        names = ("requests", "promptTokens", "completionTokens", "cachedRequests", "savedTokens", "costMicroUsd")
        sums = {name: sum(row[name] for row in rows) for name in names}
        return sums if sums["requests"] >= requests else {}

    return await eventually(probe, seconds)


def official(platform: Platform, tenant: Tenant) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{platform.edge}/v1", api_key=tenant.key, max_retries=0)


async def test_the_official_client_works_whole_and_streamed(platform: Platform, tenant: Tenant) -> None:
    async with official(platform, tenant) as client:
        whole = await client.chat.completions.create(
            model="openai/gpt-4o-mini", messages=[{"role": "user", "content": "Say something about tides."}]
        )
        assert whole.choices[0].message.content
        assert whole.usage
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
        text, usage_chunks = "", 0
        stream = await client.chat.completions.create(
            model="openai/gpt-4o-mini",
            messages=[{"role": "user", "content": "Say something about glaciers."}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""
            usage_chunks += chunk.usage is not None
        assert "glacier" in text.lower()
        assert usage_chunks == 1
        models = await client.models.list()
        assert models.object == "list"
        vector = await client.embeddings.create(model="openai/text-embedding-3-small", input="tides")
        assert len(vector.data[0].embedding) == 384


async def test_the_same_question_again_costs_nothing(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    first = await as_tenant.chat("Why is the sky blue at noon?")
    assert (first.status, first.headers["x-dcoder-cache"]) == (200, "miss")
    billed = await bill(api, platform, tenant)

    async def cached() -> bool:
        again = await as_tenant.chat("Why is the sky blue at noon?")
        assert again.body["choices"] == first.body["choices"]
        return again.headers["x-dcoder-cache"] == "hit"

    assert await eventually(cached)
    assert (await bill(api, platform, tenant))["chatCalls"] == billed["chatCalls"] == 1


async def test_a_question_that_means_the_same_shares_the_answer_and_its_opposite_does_not(
    as_tenant: Api, tenant: Tenant
) -> None:
    first = await as_tenant.chat("How do I reset the password of my account?")

    async def similar() -> bool:
        reply = await as_tenant.chat("How can I reset the password of my account?")
        if reply.headers["x-dcoder-cache"] != "semantic":
            return False
        assert reply.body["choices"] == first.body["choices"]
        assert 0.9 < float(reply.headers["x-dcoder-cache-similarity"]) <= 1
        return True

    assert await eventually(similar)
    other = await as_tenant.chat("How do I not reset the password of my account?")
    assert other.headers["x-dcoder-cache"] == "miss"


async def test_a_cached_answer_streams_like_any_other(as_tenant: Api) -> None:
    question = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Describe a harbour at dawn."}]}
    whole = await as_tenant.call("POST", "/v1/chat/completions", question)
    headers = {"authorization": f"Bearer {as_tenant.credential}"}

    async def streamed() -> str:
        text = ""
        async with as_tenant.session.post(
            f"{as_tenant.base}/v1/chat/completions", json={**question, "stream": True}, headers=headers
        ) as response:
            if response.headers["x-dcoder-cache"] != "hit":
                return ""
            async for line in response.content:
                data = line.decode().removeprefix("data: ").strip()
                if data and data != "[DONE]":
                    text += json.loads(data)["choices"][0]["delta"].get("content", "")
        return text

    assert await eventually(streamed) == whole.body["choices"][0]["message"]["content"]


async def test_cache_control_is_honoured(as_tenant: Api) -> None:
    question = "What makes bread rise in the oven?"
    await as_tenant.chat(question, headers={"cache_control": "no-store"})
    again = await as_tenant.chat(question)
    assert again.headers["x-dcoder-cache"] == "miss"

    async def hit() -> bool:
        return (await as_tenant.chat(question)).headers["x-dcoder-cache"] == "hit"

    assert await eventually(hit)
    fresh = await as_tenant.chat(question, headers={"cache_control": "no-cache"})
    assert fresh.headers["x-dcoder-cache"] == "miss"


async def test_a_stampede_of_one_question_is_one_call(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    replies = await asyncio.gather(*(as_tenant.chat("How deep is the deepest lake on earth?") for _ in range(25)))
    assert {reply.status for reply in replies} == {200}
    assert len({json.dumps(reply.body["choices"]) for reply in replies}) == 1
    assert (await bill(api, platform, tenant))["chatCalls"] == 1
    sums = await totals(as_tenant, tenant, 26)
    assert sums["cachedRequests"] == 24


async def test_two_tenants_never_share_an_answer(platform: Platform, api: Api, new_tenant: NewTenant) -> None:
    one, other = await new_tenant(), await new_tenant()
    question = "What colour is the platform's logo?"

    async def hit() -> bool:
        return (await api.as_(one.key).chat(question)).headers["x-dcoder-cache"] == "hit"

    assert await eventually(hit)
    assert (await api.as_(other.key).chat(question)).headers["x-dcoder-cache"] == "miss"
    assert (await bill(api, platform, other))["chatCalls"] == 1


async def test_usage_equals_the_bill_to_the_token(platform: Platform, api: Api, as_tenant: Api, tenant: Tenant) -> None:
    for number in range(4):
        assert (await as_tenant.chat(f"Tell me about the number {number}.", tools=[])).status == 200
    async with official(platform, tenant) as client:
        stream = await client.chat.completions.create(
            model="openai/gpt-4o-mini",
            messages=[{"role": "user", "content": "Tell me a long story about rivers and hills."}],
            stream=True,
        )
        async for _ in stream:
            pass
    billed = await bill(api, platform, tenant)
    sums = await totals(as_tenant, tenant, billed["calls"])
    assert sums["promptTokens"] == billed["promptTokens"] + billed["embeddingTokens"]
    assert sums["completionTokens"] == billed["completionTokens"]


async def test_usage_of_a_stream_whose_reader_left_equals_the_bill(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    fault = {"key": tenant.provider_key, "chunkDelayMs": 20, "times": 10}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=fault) as response:
        assert response.status in {200, 201, 204}
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Tell me about migrating birds."}]}
    headers = {"authorization": f"Bearer {tenant.key}", "cache-control": "no-store"}
    url = f"{platform.edge}/v1/chat/completions"
    stream = {**body, "stream": True}
    async with aiohttp.ClientSession() as leaving, leaving.post(url, json=stream, headers=headers) as response:
        await response.content.readline()
        response.close()

    async def counted() -> bool:
        billed = await bill(api, platform, tenant)
        sums = await totals(as_tenant, tenant, 1)
        return bool(billed["completionTokens"] == sums["completionTokens"] > 0)

    assert await eventually(counted)


@pytest.mark.parametrize(("status", "change"), [(404, {"model": "nobody/x"}), (422, {"messages": []})])
async def test_every_refusal_and_every_stream_says_what_it_cost_in_time(
    as_tenant: Api, status: int, change: dict[str, Any]
) -> None:
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello there."}], **change}
    refused = await as_tenant.call("POST", "/v1/chat/completions", body)
    assert (refused.status, float(refused.headers["x-dcoder-overhead-ms"]) >= 0) == (status, True)
    streamed = await as_tenant.chat("Tell me about ferries.", stream=True)
    assert float(streamed.headers["x-dcoder-overhead-ms"]) >= 0


@pytest.mark.parametrize("kind", ["hit", "miss"])
async def test_every_answer_says_what_it_cost_in_time(as_tenant: Api, kind: str) -> None:
    question = f"Which trains are the fastest ones ({kind})?"

    async def right_kind() -> bool:
        reply = await as_tenant.chat(question, headers={"x_request_id": "my-request.1"})
        assert float(reply.headers["x-dcoder-overhead-ms"]) >= 0
        assert reply.headers["x-request-id"] == "my-request.1"
        assert len(reply.headers["x-trace-id"]) == 32
        return reply.headers["x-dcoder-cache"] == kind

    assert await eventually(right_kind)
