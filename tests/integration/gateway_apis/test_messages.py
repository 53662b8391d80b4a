"""POST /v1/messages by Anthropic's own client, for every kind of provider."""

import base64
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.integration.gateway_apis.conftest import KINDS, AnthropicAt, Everywhere
from tests.platform import eventually

WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
TIME: ToolParam = {
    "name": "get_time",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def said(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_official_client_works_unchanged(
    everywhere: Everywhere, anthropic_at: AnthropicAt, kind: str
) -> None:
    client = anthropic_at("")
    model = f"{kind}/sim-chat"
    before = (await everywhere.billed(kind)).get("chatCalls", 0)
    message = await client.messages.create(
        model=model, max_tokens=200, system="Be brief.", messages=said("echo: fjord and tide")
    )
    assert [block.text for block in message.content if block.type == "text"] == ["fjord and tide"]
    assert (message.stop_reason, message.role, message.type) == ("end_turn", "assistant", "message")
    async with client.messages.stream(
        model=model, max_tokens=200, messages=said("Tell me of rivers."), stop_sequences=["zzz"]
    ) as stream:
        events = [event.type async for event in stream]
        whole = await stream.get_final_message()
    assert events[0] == "message_start"
    assert events[-1] == "message_stop"
    assert whole.content
    assert whole.usage.output_tokens > 3
    called = await client.messages.create(
        model=model,
        max_tokens=300,
        tools=[WEATHER, TIME],
        messages=said("Use get_weather and get_time for place: Oslo"),
    )
    uses = [block for block in called.content if block.type == "tool_use"]
    assert [use.name for use in uses] == ["get_weather", "get_time"]
    assert called.stop_reason == "tool_use"
    results: Any = [{"type": "tool_result", "tool_use_id": u.id, "content": f"{u.name} is fine"} for u in uses]
    turns: Any = [
        *said("Use get_weather and get_time for place: Oslo"),
        {"role": "assistant", "content": [use.to_dict() for use in uses]},
        {"role": "user", "content": results},
    ]
    answered = await client.messages.create(model=model, max_tokens=300, tools=[WEATHER, TIME], messages=turns)
    assert "get_weather is fine" in answered.to_json()
    await everywhere.ensure_bill_is_met(kind, before + 4)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "google"])
async def test_images_are_looked_at(anthropic_at: AnthropicAt, kind: str) -> None:
    message = await anthropic_at("").messages.create(
        model=f"{kind}/sim-chat",
        max_tokens=100,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "text", "text": "What is this?"},
                ],
            }
        ],
    )
    assert message.usage.input_tokens > 85


@pytest.mark.parametrize("kind", KINDS)
async def test_tokens_are_counted_and_nothing_is_billed(
    everywhere: Everywhere, anthropic_at: AnthropicAt, kind: str
) -> None:
    before = (await everywhere.billed(kind)).get("chatCalls", 0)
    counted = await anthropic_at("").messages.count_tokens(
        model=f"{kind}/sim-chat", messages=said("How many tokens are these?"), system="Be brief.", tools=[WEATHER]
    )
    assert 10 < counted.input_tokens < 150
    assert (await everywhere.billed(kind)).get("chatCalls", 0) == before


async def test_what_only_anthropic_has_reaches_it_as_it_came(everywhere: Everywhere, anthropic_at: AnthropicAt) -> None:
    client = anthropic_at("")
    await client.messages.create(
        model="anthropic/claude-sonnet-4-5",
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 2000},
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=said("Hello?"),
        extra_headers={"anthropic-beta": "extended-cache-ttl-2025-04-11, interleaved-thinking-2025-05-14"},
        extra_body={"context_management": {"edits": []}},
    )
    sent = (await everywhere.asked("anthropic"))[-1]
    assert sent["headers"]["anthropic-beta"] == "extended-cache-ttl-2025-04-11, interleaved-thinking-2025-05-14"
    assert sent["headers"]["anthropic-version"] == client.default_headers["anthropic-version"]
    assert sent["body"] == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 3000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [{"role": "user", "content": "Hello?"}],
        "context_management": {"edits": []},
    }


@pytest.mark.parametrize(
    ("more", "headers", "field"),
    [
        ({"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]}, {}, "mcp_servers"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {}, "tools[0].type"),
        ({}, {"anthropic-beta": "files-api-2025-04-14"}, "anthropic-beta"),
        ({}, {"anthropic-version": "newest"}, "anthropic-version"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name(
    everywhere: Everywhere, more: dict[str, Any], headers: dict[str, str], field: str
) -> None:
    body = {"model": "anthropic/sim-chat", "max_tokens": 10, "messages": said("Hello?"), **more}
    reply = await everywhere.api.call("POST", "/v1/messages", body, **headers)
    assert reply.status == 400, reply.body
    assert reply.body["error"]["code"] == "provider_rejected"
    assert reply.body["error"]["details"]["field"] == field


async def test_errors_are_worded_as_anthropic_s_clients_know_them(
    everywhere: Everywhere, anthropic_at: AnthropicAt
) -> None:
    client = anthropic_at("")
    with pytest.raises(anthropic.NotFoundError) as lost:
        await client.messages.create(model="anthropic/nothing", max_tokens=10, messages=said("Hello?"))
    body = lost.value.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert (body["error"]["type"], body["error"]["code"]) == ("not_found_error", "model_not_found")
    assert body["request_id"] == lost.value.response.headers["x-request-id"]
    with pytest.raises(anthropic.BadRequestError, match="top_k"):
        await client.messages.create(
            model="openai/sim-chat", max_tokens=10, messages=said("Hello?"), extra_body={"top_k": 3}
        )
    invalid = await everywhere.api.call("POST", "/v1/messages", {"model": "openai/sim-chat", "messages": []})
    assert (invalid.status, invalid.body["error"]["code"]) == (422, "validation_failed")
    assert invalid.body["error"]["type"] == "invalid_request_error"
    unknown = await everywhere.api.as_("dck_" + "0" * 40).call("POST", "/v1/messages", {})
    assert (unknown.status, unknown.body["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_stream_that_breaks_ends_with_an_error_event(
    everywhere: Everywhere, anthropic_at: AnthropicAt, kind: str
) -> None:
    await everywhere.fault(kind, fault="error-mid-stream", times=1)
    seen = []

    async def read() -> None:
        stream = await anthropic_at("").messages.create(
            model=f"{kind}/sim-chat", max_tokens=100, messages=said("words: 30"), stream=True
        )
        async for event in stream:
            seen.append(event.type)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        await read()
    assert seen[0] == "message_start"
    assert "message_stop" not in seen


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_reader_who_leaves_is_billed_what_the_provider_bills(everywhere: Everywhere, kind: str) -> None:
    before = await everywhere.billed(kind)
    body = {"model": f"{kind}/sim-chat", "max_tokens": 900, "messages": said("words: 60"), "stream": True}
    await everywhere.fault(kind, chunkDelayMs=5, times=1)
    headers = {"x-api-key": everywhere.tenant.key}
    url = f"{everywhere.platform.edge}/v1/messages"
    async with everywhere.api.session.post(url, json=body, headers=headers) as response:
        assert response.status == 200
        await response.content.readany()
    await everywhere.ensure_bill_is_met(kind, before.get("chatCalls", 0) + 1)


async def test_the_cache_answers_across_formats(everywhere: Everywhere, anthropic_at: AnthropicAt) -> None:
    client = anthropic_at("")
    ask: Any = {"model": "anthropic/sim-chat", "max_tokens": 300, "messages": said("What keeps a dune in its place?")}
    first = await client.messages.create(**ask)

    async def cached() -> bool:
        again = await client.messages.with_raw_response.create(**ask)
        if again.headers["x-dcoder-cache"] != "hit":
            return False
        assert (await again.parse()).content == first.content
        return True

    assert await eventually(cached)
    async with client.messages.stream(**ask) as stream:
        assert stream.response.headers["x-dcoder-cache"] == "hit"
        assert await stream.get_final_text() == first.content[0].text


async def test_an_answer_under_an_idempotency_key_is_given_again(everywhere: Everywhere) -> None:
    body = {"model": "openai/sim-chat", "max_tokens": 50, "messages": said("Hello again?")}
    headers = {"idempotency_key": "one", "cache_control": "no-store"}
    first = await everywhere.api.call("POST", "/v1/messages", body, **headers)
    again = await everywhere.api.call("POST", "/v1/messages", body, **headers)
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.body == first.body
    streamed = await everywhere.api.call("POST", "/v1/messages", {**body, "stream": True}, idempotency_key="two")
    assert (streamed.status, streamed.body["type"]) == (400, "error")
