"""Limits on the running platform: refused in time, told once, counted in the API."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.slice.test_chat import bill
from tests.platform import Api, Platform, Reply, Tenant, eventually

pytestmark = pytest.mark.integration

FRESH = {"cache_control": "no-store"}


def on(metric: str, limit: int, window: str = "day", **more: Any) -> dict[str, Any]:
    return {"subject": {"kind": "tenant"}, "metric": metric, "window": window, "limit": limit, **more}


async def put(api: Api, tenant: Tenant, *quotas: dict[str, Any]) -> list[dict[str, Any]]:
    """Set limits; the gateway hears of them within the two seconds that are promised."""
    reply = await api.call("PUT", f"/v1/tenants/{tenant.id}/quotas", {"quotas": list(quotas)})
    assert reply.status == 200, reply.body
    return list(reply.body["quotas"])


async def quotas(api: Api, tenant: Tenant) -> list[dict[str, Any]]:
    reply = await api.call("GET", f"/v1/tenants/{tenant.id}/quotas")
    assert reply.status == 200, reply.body
    return list(reply.body["quotas"])


async def in_force(api: Api, tenant: Tenant) -> None:
    """A limit of nothing on a model that nobody calls tells when the gateway knows all limits stored with it."""

    async def refused() -> bool:
        reply = await api.chat("Anybody there?", model="openai/nobody-calls-this", headers=FRESH)
        return reply.status == 429

    await eventually(refused, seconds=2.5)


SIGNAL = {"subject": {"kind": "model", "id": "nobody-calls-this"}, "metric": "requests", "window": "day", "limit": 0}


async def test_a_spent_limit_refuses_with_what_and_until_when(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await put(as_tenant, tenant, on("requests", 2), SIGNAL)
    await in_force(as_tenant, tenant)
    for number in range(2):
        assert (await as_tenant.chat(f"Number {number}?", headers=FRESH)).status == 200
    reply = await as_tenant.chat("Number three?", headers=FRESH)
    assert (reply.status, reply.code) == (429, "quota_exceeded")
    details = reply.body["error"]["details"]
    wanted = {"limit": 2, "metric": "requests", "window": "day", "used": 2, "reserved": 0}
    assert {name: details[name] for name in wanted} == wanted
    resets = datetime.fromisoformat(details["resetsAt"])
    assert (resets.hour, resets.minute, resets.second) == (0, 0, 0)
    left = (resets - datetime.now(UTC)).total_seconds()
    assert abs(int(reply.headers["retry-after"]) - left) < 5
    streamed = await as_tenant.chat("Number four?", headers=FRESH, stream=True)
    assert (streamed.status, streamed.code) == (429, "quota_exceeded")
    embedded = await as_tenant.call(
        "POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "tides"}
    )
    assert (embedded.status, embedded.code) == (429, "quota_exceeded")
    assert (await bill(api, platform, tenant))["chatCalls"] == 2

    async def mirrored() -> bool:
        return [(q["used"], q["remaining"]) for q in await quotas(as_tenant, tenant)] == [(2, 0), (0, 0)]

    assert await eventually(mirrored)


async def test_a_cached_answer_takes_a_request_and_no_tokens(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    question = "How many quotas does a harbour need?"
    assert (await as_tenant.chat(question)).status == 200

    async def hit() -> bool:
        return (await as_tenant.chat(question)).headers["x-dcoder-cache"] == "hit"

    assert await eventually(hit)
    spent = (await bill(api, platform, tenant))["chatCalls"]
    # So few tokens that no prompt fits.
    await put(as_tenant, tenant, on("tokens", 1), on("requests", 1_000_000), SIGNAL)
    await in_force(as_tenant, tenant)
    again = await as_tenant.chat(question)
    assert (again.status, again.headers["x-dcoder-cache"]) == (200, "hit")
    streamed = await as_tenant.chat(question, stream=True)
    assert (streamed.status, streamed.headers["x-dcoder-cache"]) == (200, "hit")
    refused = await as_tenant.chat("And how many does a lighthouse need?")
    assert (refused.status, refused.body["error"]["details"]["metric"]) == (429, "tokens")
    assert (await bill(api, platform, tenant))["chatCalls"] == spent
    await put(as_tenant, tenant, on("requests", 0), SIGNAL)

    async def closed() -> bool:
        return (await as_tenant.chat(question)).status == 429

    assert await eventually(closed, seconds=2.5)


async def test_an_answer_gets_what_is_left_and_not_a_token_more(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await put(as_tenant, tenant, on("tokens", 60), SIGNAL)
    await in_force(as_tenant, tenant)
    replies: list[Reply] = []
    while not replies or replies[-1].status == 200:
        replies.append(await as_tenant.chat("Tell me a long story about tides.", headers=FRESH))
    assert replies[-1].code == "quota_exceeded"
    first = replies[0]
    assert first.body["choices"][0]["finish_reason"] == "length"
    assert first.body["usage"]["completion_tokens"] <= int(first.headers["x-dcoder-max-tokens"]) < 60
    billed = await bill(api, platform, tenant)
    assert 30 < billed["promptTokens"] + billed["completionTokens"] <= 60


async def test_money_runs_out_alike(platform: Platform, api: Api, as_tenant: Api, tenant: Tenant) -> None:
    await put(as_tenant, tenant, on("cost", 100, "month"), SIGNAL)
    await in_force(as_tenant, tenant)
    statuses: list[int] = []
    while not statuses or statuses[-1] == 200:
        statuses.append((await as_tenant.chat("Tell me a long story.", headers=FRESH, max_tokens=40)).status)
    assert statuses[-1] == 429
    assert len(statuses) > 2

    async def mirrored() -> bool:
        used = int((await quotas(as_tenant, tenant))[0]["used"])
        assert used <= 100
        return used > 60

    assert await eventually(mirrored)


async def test_five_hundred_at_the_last_unit(platform: Platform, api: Api, as_tenant: Api, tenant: Tenant) -> None:
    await put(as_tenant, tenant, on("requests", 3), SIGNAL)
    await in_force(as_tenant, tenant)
    replies = await asyncio.gather(*(as_tenant.chat(f"Which is number {n}?", headers=FRESH) for n in range(100)))
    assert sorted(reply.status for reply in replies).count(200) == 3
    refused = [reply for reply in replies if reply.status == 429 and reply.code == "quota_exceeded"]
    assert all(reply.status in {200, 429} for reply in replies)
    assert refused
    assert (await bill(api, platform, tenant))["chatCalls"] == 3


async def test_who_shares_an_answer_takes_a_request_too(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await put(as_tenant, tenant, on("requests", 5), SIGNAL)
    await in_force(as_tenant, tenant)
    replies = await asyncio.gather(*(as_tenant.chat("How many may ask this at once?") for _ in range(25)))
    assert sorted(reply.status for reply in replies) == [200] * 5 + [429] * 20
    assert (await bill(api, platform, tenant))["chatCalls"] == 1


async def test_a_call_that_the_provider_fails_is_given_back(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant
) -> None:
    await put(as_tenant, tenant, on("requests", 1), on("tokens", 200), SIGNAL)
    await in_force(as_tenant, tenant)
    # Nothing is waited for in between: the answer comes when nothing is held any more.
    for number in range(12):
        reply = await as_tenant.chat("Hm?", model="openai/gpt-does-not-exist", headers=FRESH, stream=number % 2 == 1)
        assert reply.status in {400, 404}, reply.body
    assert (await as_tenant.chat("Hm?", headers=FRESH)).status == 200
    assert (await as_tenant.chat("Hm?", headers=FRESH)).status == 429


async def test_a_call_that_finds_its_provider_away_is_given_back(
    platform: Platform, as_tenant: Api, tenant: Tenant
) -> None:
    away = {"name": "away", "kind": "openai", "apiKey": "sk-x", "baseUrl": "http://127.0.0.1:1/v1"}
    here = {**away, "name": "openai", "apiKey": tenant.provider_key, "baseUrl": f"{platform.simulator}/openai/v1"}
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [here, away]})
    assert stored.status == 200, stored.body
    await put(as_tenant, tenant, on("requests", 1), on("tokens", 200), SIGNAL)
    await in_force(as_tenant, tenant)

    async def known() -> bool:
        return (await as_tenant.chat("Hm?", model="away/gpt-4o", headers=FRESH)).status == 502

    await eventually(known, seconds=2.5)
    for number in range(12):
        reply = await as_tenant.chat("Hm?", model="away/gpt-4o", headers=FRESH, stream=number % 2 == 1)
        assert (reply.status, reply.code) == (502, "provider_unavailable"), reply.body
    assert (await as_tenant.chat("Hm?", headers=FRESH)).status == 200
    assert (await as_tenant.chat("Hm?", headers=FRESH)).status == 429


async def test_thresholds_are_told_once(platform: Platform, as_tenant: Api, tenant: Tenant) -> None:
    import nats

    connection = await nats.connect(platform.status["credentials"]["natsUrl"])
    try:
        told: list[dict[str, Any]] = []

        async def hear(message: Any) -> None:
            import json

            event = json.loads(message.data)
            if event["data"]["tenantId"] == tenant.id:
                told.append(event)

        await connection.subscribe("quota.threshold", cb=hear)
        (quota, _) = await put(as_tenant, tenant, on("requests", 4, hard=False, thresholds=[50, 75, 100, 150]), SIGNAL)
        await in_force(as_tenant, tenant)
        replies = await asyncio.gather(*(as_tenant.chat(f"Threshold {n}?", headers=FRESH) for n in range(8)))
        assert {reply.status for reply in replies} == {200}

        async def all_told() -> bool:
            return len(told) >= 4 and (await quotas(as_tenant, tenant))[0]["used"] == 8

        assert await eventually(all_told)
        crossed = sorted((event["data"]["threshold"], event["data"]["used"]) for event in told)
        assert crossed == [(50, 2), (75, 3), (100, 4), (150, 6)]
        assert {event["data"]["quotaId"] for event in told} == {quota["id"]}
        assert {event["tenantid"] for event in told} == {tenant.id}
        assert told[0]["data"]["subject"] == {"kind": "tenant", "id": None}
    finally:
        await connection.close()


async def test_a_user_s_limit_is_not_the_others(platform: Platform, api: Api, as_tenant: Api, tenant: Tenant) -> None:
    own = {"subject": {"kind": "api_key", "id": tenant.key_id}, "metric": "requests", "window": "day", "limit": 1}
    await put(as_tenant, tenant, own, SIGNAL)
    await in_force(as_tenant, tenant)
    assert (await as_tenant.chat("Mine?", headers=FRESH)).status == 200
    assert (await as_tenant.chat("Mine again?", headers=FRESH)).status == 429
    token = platform.token("--role", "user", "--tenant", tenant.id)
    assert (await api.as_(token).chat("Yours?", headers=FRESH)).status == 200


async def test_users_do_not_see_or_set_limits(platform: Platform, api: Api, tenant: Tenant) -> None:
    token = platform.token("--role", "user", "--tenant", tenant.id)
    for method, body in (("GET", None), ("PUT", {"quotas": []})):
        assert (await api.as_(token).call(method, f"/v1/tenants/{tenant.id}/quotas", body)).status == 403
