"""The cache as a tenant sees it, through the edge."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.integration.conftest import NewTenant
from tests.integration.slice.test_chat import bill, totals
from tests.platform import Api, Platform, Reply, Tenant, eventually

SIMILAR = "Could you please tell me what causes the tides?"


async def change(tenant: Tenant, as_tenant: Api, **settings: Any) -> None:
    changed = await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"settings": settings})
    assert changed.status == 200, changed.body


async def served(api: Api, question: str, state: str, **options: Any) -> Reply:
    """The answer once it comes from there."""

    async def probe() -> Reply | None:
        reply = await api.chat(question, **options)
        assert reply.status == 200, reply.body
        return reply if reply.headers["x-dcoder-cache"] == state else None

    found = await eventually(probe)
    assert found is not None
    return found


async def overview(api: Api, tenant: Tenant) -> dict[str, Any]:
    reply = await api.call("GET", f"/v1/tenants/{tenant.id}/cache")
    assert reply.status == 200, reply.body
    return dict(reply.body)


async def test_the_overview_tells_what_was_hit_and_saved_and_a_flush_empties_it(as_tenant: Api, tenant: Tenant) -> None:
    first = await as_tenant.chat("What causes the tides?")
    assert re.fullmatch("[0-9a-f]{32}", first.headers["x-dcoder-cache-id"])
    exact = await served(as_tenant, "What causes the tides?", "hit")
    assert exact.headers["x-dcoder-cache-id"] == first.headers["x-dcoder-cache-id"]
    similar = await served(as_tenant, SIMILAR, "semantic")
    assert similar.headers["x-dcoder-cache-id"] == first.headers["x-dcoder-cache-id"]
    assert int(similar.headers["age"]) >= 0

    async def counted() -> dict[str, Any]:
        seen = await overview(as_tenant, tenant)
        return seen if seen["hits"]["semantic"] else {}

    seen = await eventually(counted)
    tokens = first.body["usage"]["total_tokens"]
    hits = seen["hits"]["hit"] + seen["hits"]["semantic"]
    assert (seen["entries"], seen["savedTokens"]) == (1, hits * tokens)
    assert seen["savedMicroUsd"] > 0
    assert seen["bytes"] > 384 * 4
    assert seen["hitRate"] == pytest.approx(hits / (hits + seen["hits"]["miss"]))
    assert seen["threshold"] == {"setting": 0.85, "learned": None, "inForce": 0.85}
    other = await as_tenant.call("DELETE", f"/v1/tenants/{tenant.id}/cache?provider=anthropic")
    assert (other.status, other.body) == (200, {"dropped": 0})
    flushed = await as_tenant.call("DELETE", f"/v1/tenants/{tenant.id}/cache?model=gpt-4o-mini")
    assert flushed.body == {"dropped": 1}
    assert (await as_tenant.chat(SIMILAR)).headers["x-dcoder-cache"] == "miss"


async def test_a_wrong_answer_is_reported_once_dropped_and_raises_the_threshold(
    as_tenant: Api, tenant: Tenant, api: Api, new_tenant: NewTenant
) -> None:
    await served(as_tenant, "What causes the tides?", "hit")
    wrong = await served(as_tenant, SIMILAR, "semantic")
    body = {"requestId": wrong.headers["x-request-id"], "wrong": True}
    stranger = await new_tenant()
    refused = await api.as_(stranger.key).call("POST", "/v1/cache/feedback", body)
    assert (refused.status, refused.code) == (404, "cached_answer_not_found")
    reported = await as_tenant.call("POST", "/v1/cache/feedback", body)
    assert reported.status == 200, reported.body
    assert reported.body["evicted"]
    assert reported.body["similarity"] == pytest.approx(float(wrong.headers["x-dcoder-cache-similarity"]), abs=1e-4)
    assert (await as_tenant.call("POST", "/v1/cache/feedback", body)).status == 404
    seen = await overview(as_tenant, tenant)
    assert (seen["entries"], seen["reports"]) == (0, {"right": 0, "wrong": 1})
    assert seen["threshold"]["inForce"] == seen["threshold"]["learned"] > seen["threshold"]["setting"]
    assert (await as_tenant.chat(SIMILAR)).headers["x-dcoder-cache"] == "miss"


@pytest.mark.parametrize(
    "body", [{}, {"wrong": True}, {"cacheId": "../x", "wrong": True}, {"requestId": "", "wrong": 1}]
)
async def test_a_report_that_names_nothing_is_refused(as_tenant: Api, body: dict[str, Any]) -> None:
    assert (await as_tenant.call("POST", "/v1/cache/feedback", body)).status == 422


async def test_another_tenants_cache_can_neither_be_seen_nor_flushed(
    as_tenant: Api, api: Api, new_tenant: NewTenant
) -> None:
    other = await new_tenant()
    for method in ("GET", "DELETE"):
        refused = await as_tenant.call(method, f"/v1/tenants/{other.id}/cache")
        assert refused.status == 403


@pytest.mark.parametrize(
    "settings",
    [
        {"cacheSimilarity": 0.7, "cacheSimilarityLeast": 0.8},
        {"cacheSimilarityMost": 0.8},
        {"cacheErrorRate": 0},
        {"cacheExploration": 0.5},
        {"cacheMaxEntries": -1},
        {"cacheMaxTemperature": 3},
    ],
)
async def test_settings_that_make_no_sense_are_refused(
    as_tenant: Api, tenant: Tenant, settings: dict[str, Any]
) -> None:
    refused = await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"settings": settings})
    assert refused.status == 422, refused.body


async def test_settings_are_obeyed_at_once(as_tenant: Api, tenant: Tenant) -> None:
    await served(as_tenant, "What causes the tides?", "hit", temperature=0.5)
    await served(as_tenant, SIMILAR, "semantic", temperature=0.5)
    await change(tenant, as_tenant, cacheMaxTemperature=0.4)
    await served(as_tenant, SIMILAR, "miss", temperature=0.5)
    await change(tenant, as_tenant, cacheMaxTemperature=None, semanticCache=False)
    await served(as_tenant, SIMILAR, "hit", temperature=0.5)
    assert (await as_tenant.chat("what are the tides caused by?", temperature=0.5)).headers["x-dcoder-cache"] == "miss"
    await change(tenant, as_tenant, cacheMaxEntries=0)
    await as_tenant.chat("What is never kept?")
    await eventually(lambda: kept_nothing(as_tenant, tenant))


async def kept_nothing(api: Api, tenant: Tenant) -> bool:
    before = (await overview(api, tenant))["entries"]
    await api.chat(f"What is never kept, {before}?")
    return bool((await overview(api, tenant))["entries"] == before)


async def test_exploration_asks_the_provider_although_there_is_an_answer_and_learns(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await change(tenant, as_tenant, cacheExploration=0.2)
    await as_tenant.chat("echo: the moon")
    await served(as_tenant, "echo: the moon", "hit")

    async def explored() -> bool:
        # Each asks in words of its own, so that none is the same request as one before.
        reply = await as_tenant.chat("please echo: the moon" + "!" * explored_times.pop())
        assert reply.status == 200
        return bool((await overview(as_tenant, tenant))["reports"] != {"right": 0, "wrong": 0})

    explored_times = list(range(300))
    assert await eventually(explored, 40)
    assert (await bill(api, platform, tenant))["chatCalls"] > 1


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Weather in Rome, please call nothing", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("Name me several seas", {"n": 2}),
        ("Surprise me with a sea", {"temperature": 1.5}),
        ("words: 40", {"max_tokens": 5}),
        ("Keep this to yourself", {"headers": {"cache_control": "no-store"}}),
    ],
)
async def test_what_must_not_be_kept_is_not_kept(
    as_tenant: Api, tenant: Tenant, question: str, options: dict[str, Any]
) -> None:
    assert (await as_tenant.chat(question, **options)).status == 200
    # The next answer is kept after this one would have been.
    await as_tenant.chat("What causes the tides?")
    await served(as_tenant, "What causes the tides?", "hit")
    assert (await as_tenant.chat(question, **options)).headers["x-dcoder-cache"] == "miss"
    assert (await overview(as_tenant, tenant))["entries"] == 1


@pytest.mark.parametrize("fault", ["500", "garbage", "cut-mid-stream", "error-mid-stream"])
async def test_what_failed_is_not_kept(platform: Platform, as_tenant: Api, tenant: Tenant, fault: str) -> None:
    rule = {"key": tenant.provider_key, "fault": fault, "times": 20}
    async with as_tenant.session.post(f"{platform.simulator}/_sim/faults", json=rule) as response:
        assert response.status in {200, 201, 204}
    async for _ in chunks(as_tenant, "What is broken?"):
        pass
    async with as_tenant.session.delete(f"{platform.simulator}/_sim/faults?key={tenant.provider_key}"):
        pass
    assert (await overview(as_tenant, tenant))["entries"] == 0


async def test_a_slow_embedder_is_a_miss_and_no_delay(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    both = {"kind": "openai", "baseUrl": f"{platform.simulator}/openai/v1"}
    providers = [
        {**both, "name": "slow", "apiKey": f"{tenant.provider_key}-slow", "embeddingModel": "sim-embedding"},
        {**both, "name": "openai", "apiKey": tenant.provider_key},
    ]
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": providers})
    assert stored.status == 200, stored.body
    await served(as_tenant, "Which river is long?", "hit")
    rule = {"key": f"{tenant.provider_key}-slow", "latencyMs": 30_000}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=rule) as response:
        assert response.status in {200, 201, 204}
    async with asyncio.timeout(20):
        reply = await as_tenant.chat("Which river is the longest?")
    assert (reply.status, reply.headers["x-dcoder-cache"]) == (200, "miss")
    assert (await as_tenant.chat("Which river is long?")).headers["x-dcoder-cache"] == "hit"


async def test_a_stampede_of_one_streamed_question_is_one_call(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    rule = {"key": tenant.provider_key, "chunkDelayMs": 20}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=rule) as response:
        assert response.status in {200, 201, 204}
    streams = await asyncio.gather(*(told(as_tenant, "Which lake is the deepest one?") for _ in range(20)))
    assert len({text for text, _ in streams}) == 1
    assert sorted(state for _, state in streams) == ["hit"] * 19 + ["miss"]
    billed = await bill(api, platform, tenant)
    assert billed["chatCalls"] == 1
    sums = await totals(as_tenant, tenant, 20)
    assert sums["cachedRequests"] == 19
    assert sums["completionTokens"] == billed["completionTokens"]


async def test_the_others_hear_the_stream_out_when_the_first_listener_leaves(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    rule = {"key": tenant.provider_key, "chunkDelayMs": 30}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=rule) as response:
        assert response.status in {200, 201, 204}
    question = "Which mountain is the highest one?"
    async with aiohttp.ClientSession() as leaving:
        first = await leaving.post(
            f"{as_tenant.base}/v1/chat/completions", json=stream(question), headers=credential(as_tenant)
        )
        await first.content.readline()
        listening = asyncio.create_task(told(as_tenant, question))
        await first.content.readline()
        first.close()
    text, _ = await listening
    assert text == (await served(as_tenant, question, "hit")).body["choices"][0]["message"]["content"]
    assert (await bill(api, platform, tenant))["chatCalls"] == 1


async def test_a_stream_from_the_cache_is_shaped_like_one_from_the_provider(as_tenant: Api) -> None:
    options = {"stream_options": {"include_usage": True}}
    live = [chunk async for chunk in chunks(as_tenant, "Describe a harbour.", **options)]
    await served(as_tenant, "Describe a harbour.", "hit")
    cached = [chunk async for chunk in chunks(as_tenant, "Describe a harbour.", **options)]
    for one in (live, cached):
        assert len({chunk["id"] for chunk in one}) == 1
        assert {chunk["object"] for chunk in one} == {"chat.completion.chunk"}
        assert one[0]["choices"][0]["delta"]["role"] == "assistant"
        assert one[-2]["choices"][0]["finish_reason"] == "stop"
        assert (one[-1]["choices"], "usage" in one[-1]) == ([], True)
    assert cached[-1]["usage"]["total_tokens"] == live[-1]["usage"]["total_tokens"]
    assert len(cached) > 4


def stream(question: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": "openai/gpt-4o-mini", "messages": messages, "stream": True, **options}


def credential(api: Api) -> dict[str, str]:
    return {"authorization": f"Bearer {api.credential}"}


async def chunks(api: Api, question: str, **options: Any) -> AsyncIterator[dict[str, Any]]:
    async with api.session.post(
        f"{api.base}/v1/chat/completions", json=stream(question, **options), headers=credential(api)
    ) as response:
        async for line in response.content:
            data = line.decode().removeprefix("data: ").strip()
            if data.startswith("{"):
                yield json.loads(data)


async def told(api: Api, question: str) -> tuple[str, str]:
    """What a stream says, and where it came from."""
    text = ""
    async with api.session.post(
        f"{api.base}/v1/chat/completions", json=stream(question), headers=credential(api)
    ) as got:
        async for line in got.content:
            data = line.decode().removeprefix("data: ").strip()
            if data.startswith("{"):
                text += "".join(c["delta"].get("content") or "" for c in json.loads(data)["choices"])
        return text, got.headers["x-dcoder-cache"]
