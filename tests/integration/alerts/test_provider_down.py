"""A provider that is wholly down: its calls fail before its first byte, and are seen all the same."""

from typing import Any

import pytest

from tests.integration.alerts.conftest import one_alert
from tests.integration.conftest import NewTenant
from tests.platform import Api, eventually

pytestmark = pytest.mark.integration

MODEL = "openai/gpt-4o-mini"
TALK = {"model": MODEL, "messages": [{"role": "user", "content": "Is anybody there?"}]}
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", TALK),
    ("/v1/chat/completions", {**TALK, "stream": True}),
    ("/v1/messages", {**TALK, "max_tokens": 10}),
    ("/v1/messages", {**TALK, "max_tokens": 10, "stream": True}),
    ("/v1/responses", {"model": MODEL, "input": "Is anybody there?", "store": False}),
    ("/v1/completions", {"model": MODEL, "prompt": "Is anybody there?"}),
    ("/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "Is anybody there?"}),
)


async def test_calls_that_a_provider_never_answered_are_counted_as_failed_and_take_nothing(
    api: Api, new_tenant: NewTenant
) -> None:
    tenant = await new_tenant()
    mine = api.as_(tenant.key)
    provider = {"name": "openai", "kind": "openai", "apiKey": "sk-x", "baseUrl": "http://127.0.0.1:1/v1"}
    path = f"/v1/tenants/{tenant.id}"
    assert (await mine.call("PUT", f"{path}/providers", {"providers": [provider]})).status == 200
    limits = [
        {"subject": {"kind": "tenant"}, "metric": metric, "window": "day", "limit": 1_000_000}
        for metric in ("requests", "tokens", "cost")
    ]
    assert (await mine.call("PUT", f"{path}/quotas", {"quotas": limits})).status == 200

    asked = 0

    async def down() -> bool:
        # Until the gateway knows the provider, and its limits.
        nonlocal asked
        asked += 1
        reply = await mine.call("POST", "/v1/embeddings", {"model": "openai/text-embedding-3-large", "input": "?"})
        return reply.status == 502

    await eventually(down)
    for route, body in ASKED:
        reply = await mine.call("POST", route, body, cache_control="no-cache, no-store")
        assert reply.status == 502, (route, reply.body)
    assert (await mine.call("POST", "/v1/chat/completions", {"model": MODEL})).status in {400, 422}

    async def counted() -> list[dict[str, Any]]:
        items = (await mine.call("GET", f"{path}/usage")).body["items"]
        rows = [row for row in items if row["model"] != "text-embedding-3-large"]
        return rows if sum(row["requests"] for row in rows) >= len(ASKED) else []

    rows = await eventually(counted)
    assert sum(row["requests"] for row in rows) == len(ASKED)
    assert {row["costMicroUsd"] + row["promptTokens"] + row["completionTokens"] for row in rows} == {0}
    totals = (await mine.call("GET", f"{path}/kpis")).body["totals"]
    assert totals["failedRequests"] > len(ASKED)
    assert totals["failedRequests"] + totals["okRequests"] + totals["internalRequests"] == totals["requests"]
    assert totals["okRequests"] < asked
    alert = await one_alert(mine, tenant, "?kind=provider")
    assert (alert["severity"], alert["details"]["provider"]) == ("critical", "openai")
    used = {quota["metric"]: quota["used"] for quota in (await mine.call("GET", f"{path}/quotas")).body["quotas"]}
    assert used["requests"] <= totals["okRequests"]
