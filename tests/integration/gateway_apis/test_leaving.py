"""Whoever leaves a stream, after whichever chunk, and whatever was tried: usage is the provider's bill."""

import json
from typing import Any

import pytest

from tests.integration.gateway_apis.conftest import Everywhere
from tests.platform import eventually

Json = dict[str, Any]
ASKED: Json = {"max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "words: 6"}]}
FRESH = {"cache-control": "no-store"}


async def leave_after(everywhere: Everywhere, path: str, body: Json, frames: int) -> bool:
    """Read so many frames of a stream, then leave; whether there were as many."""
    headers = {"authorization": f"Bearer {everywhere.tenant.key}", **FRESH}
    async with everywhere.api.session.post(everywhere.platform.edge + path, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        for _ in range(frames):
            while line := await response.content.readline():
                if line == b"\n":
                    break
            else:
                return False
    return True


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")])
async def test_leaving_after_any_chunk(everywhere: Everywhere, kind: str, path: str) -> None:
    body, made, frames = {**ASKED, "model": f"{kind}/sim-chat"}, (await everywhere.billed(kind)).get("chatCalls", 0), 0
    await everywhere.fault(kind, chunkDelayMs=2)
    while await leave_after(everywhere, path, body, frames):
        made, frames = made + 1, frames + 1
        await everywhere.ensure_bill_is_met(kind, made)
    # Each of the answer's words came in a chunk of its own.
    assert frames > 6


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_tries_that_fail_are_not_counted_and_the_one_that_answers_once(
    everywhere: Everywhere, kind: str, stream: bool
) -> None:
    before = await everywhere.billed(kind)
    await everywhere.fault(kind, fault="429", retryAfterSeconds=0, times=2)
    body = {**ASKED, "model": f"{kind}/sim-chat", "stream": stream}
    reply = await everywhere.api.call("POST", "/v1/messages", body, **FRESH)
    assert reply.status == 200, reply.body
    bill = await everywhere.billed(kind)
    made = bill["chatCalls"]
    assert (made, bill["failedCalls"]) == (before.get("chatCalls", 0) + 1, before.get("failedCalls", 0) + 2)
    await everywhere.ensure_bill_is_met(kind, made)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("fault", ["cut-mid-stream", "error-mid-stream"])
async def test_a_stream_that_broke_was_billed_and_so_is_the_caller_s_next_try(
    everywhere: Everywhere, kind: str, fault: str
) -> None:
    made = (await everywhere.billed(kind)).get("chatCalls", 0)
    body = {**ASKED, "model": f"{kind}/sim-chat", "stream_options": {"include_usage": True}}
    headers = {"authorization": f"Bearer {everywhere.tenant.key}", **FRESH}
    url, told = f"{everywhere.platform.edge}/v1/chat/completions", []
    await everywhere.fault(kind, fault=fault, times=1)
    for _ in range(2):
        async with everywhere.api.session.post(url, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            told.append(await response.text())
    assert ["[DONE]" in one for one in told] == [False, True]
    (second,) = [json.loads(line[6:])["usage"] for line in told[1].splitlines() if '"usage":{' in line]
    counted = await everywhere.metered(kind, made + 2)
    # The first had no figures, or not all; what it took is counted by the tokenizer.
    assert counted["promptTokens"] > second["prompt_tokens"]
    assert counted["completionTokens"] > second["completion_tokens"]


@pytest.mark.parametrize("kind", ["openai", "anthropic", "google"])
async def test_a_whole_answer_that_was_cut_is_counted_as_far_as_it_came(everywhere: Everywhere, kind: str) -> None:
    made = (await everywhere.billed(kind)).get("chatCalls", 0)
    await everywhere.fault(kind, fault="cut-mid-stream", times=1)
    body = {**ASKED, "model": f"{kind}/sim-chat", "stream": False}
    reply = await everywhere.api.call("POST", "/v1/chat/completions", body, **FRESH)
    assert (reply.status, reply.code) == (502, "provider_bad_response")
    counted = await everywhere.metered(kind, made + 1)
    bill = await everywhere.billed(kind)
    assert bill["chatCalls"] == made + 1
    assert counted["promptTokens"] > 0
    assert counted["completionTokens"] < 2 * bill["completionTokens"]


async def test_a_limit_lowers_the_budget_for_thinking_with_the_answer(everywhere: Everywhere) -> None:
    limits = f"/v1/tenants/{everywhere.tenant.id}/quotas"
    limit = {
        "subject": {"kind": "model", "id": "sim-chat"},
        "metric": "tokens",
        "window": "day",
        "limit": 3000,
        "hard": True,
    }
    path, thinking = "/v1/messages", {"type": "enabled", "budget_tokens": 6000}
    body = {**ASKED, "model": "anthropic/sim-chat", "max_tokens": 8000, "stream": False, "thinking": thinking}
    put = await everywhere.api.call("PUT", limits, {"quotas": [limit]})
    assert put.status == 200, put.body

    async def cut() -> int:
        reply = await everywhere.api.call("POST", path, body, **FRESH)
        assert reply.status == 200, reply.body
        return int(reply.headers.get("x-dcoder-max-tokens", 0))

    most = await eventually(cut)
    sent = (await everywhere.asked("anthropic"))[-1]["body"]
    assert (sent["max_tokens"], sent["thinking"]["budget_tokens"]) == (most, most - 1)
    assert 1024 < most < 3000
