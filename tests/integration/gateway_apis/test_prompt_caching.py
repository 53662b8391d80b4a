"""What providers' own prompt caches had and kept is counted, and costs what the provider bills for it."""

from typing import Any

import pytest

from tests.integration.gateway_apis.conftest import Everywhere
from tests.platform import eventually

Json = dict[str, Any]

# US dollars per million tokens, as the vendors list them: read, kept, the rest of the prompt, and the answer.
RATES = {
    "openai": ("gpt-4o-mini", 0.075, 0.15, 0.15, 0.60),
    "anthropic": ("claude-haiku-4-5", 0.10, 1.25, 1.00, 5.00),
    "google": ("gemini-2.5-flash", 0.03, 0.30, 0.30, 2.50),
    "groq": ("openai/gpt-oss-20b", 0.0375, 0.075, 0.075, 0.30),
}
TOLD = ("promptTokens", "cachedPromptTokens", "cacheWriteTokens", "completionTokens")


def cost(kind: str, bill: Json) -> float:
    """By the simulator's bill, in millionths of a dollar."""
    _, read, kept, rest, answered = RATES[kind]
    had, written = bill["cachedPromptTokens"], bill["cacheWriteTokens"]
    prompt = bill["promptTokens"] - had - written
    return float(had * read + written * kept + prompt * rest + bill["completionTokens"] * answered)


async def counted(everywhere: Everywhere, kind: str, requests: int) -> Json:
    async def probe() -> Json:
        reply = await everywhere.api.call("GET", f"/v1/tenants/{everywhere.tenant.id}/usage?groupBy=provider")
        rows = [row for row in reply.body["items"] if row["provider"] == kind]
        return dict(rows[0]) if rows and rows[0]["requests"] >= requests else {}

    return await eventually(probe)


@pytest.mark.parametrize("kind", RATES)
async def test_the_cost_is_the_provider_s_bill(everywhere: Everywhere, kind: str) -> None:
    written = 20 if kind == "anthropic" else 0
    await everywhere.fault(kind, cachedTokens=30, writtenTokens=written, reasoningTokens=3)
    model = f"{kind}/{RATES[kind][0]}"
    asked: Json = {"model": model, "messages": [{"role": "user", "content": "Tell me of rivers. " * 200}]}
    whole = await everywhere.api.call("POST", "/v1/chat/completions", asked)
    assert whole.status == 200, whole.body
    other = {**asked, "stream": True, "messages": [{"role": "user", "content": "Tell me of lakes. " * 200}]}
    assert (await everywhere.api.call("POST", "/v1/chat/completions", other)).status == 200
    bill, usage = await everywhere.billed(kind), await counted(everywhere, kind, 2)
    assert {name: usage[name] for name in TOLD} == {name: bill[name] for name in TOLD}
    assert (usage["cachedPromptTokens"], usage["cacheWriteTokens"]) == (60, 2 * written)
    assert usage["reasoningTokens"] == (0 if kind == "anthropic" else 6)
    # Each call is rounded to a millionth.
    assert abs(usage["costMicroUsd"] - cost(kind, bill)) <= 1
    figures = await everywhere.api.call("GET", f"/v1/tenants/{everywhere.tenant.id}/kpis")
    assert figures.body["totals"]["cachedPromptTokens"] >= 60


@pytest.mark.parametrize(("kind", "path"), [("anthropic", "/v1/messages"), ("openai", "/v1/responses")])
async def test_in_the_provider_s_own_format(everywhere: Everywhere, kind: str, path: str) -> None:
    await everywhere.fault(kind, cachedTokens=40, writtenTokens=10 if kind == "anthropic" else 0)
    text = "Tell me of rivers."
    said: Json = {"messages": [{"role": "user", "content": text}], "max_tokens": 50}
    body = {"model": f"{kind}/{RATES[kind][0]}", **(said if kind == "anthropic" else {"input": text * 20})}
    for stream in (False, True):
        reply = await everywhere.api.call("POST", path, {**body, "stream": stream}, cache_control="no-cache")
        assert reply.status == 200, reply.body
    bill, usage = await everywhere.billed(kind), await counted(everywhere, kind, 2)
    assert {name: usage[name] for name in TOLD} == {name: bill[name] for name in TOLD}
    assert usage["cachedPromptTokens"] > 0
    assert abs(usage["costMicroUsd"] - cost(kind, bill)) <= 1
