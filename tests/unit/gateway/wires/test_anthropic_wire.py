"""Anthropic's answers, streams and errors as the gateway tells them."""

from typing import Any

import pytest

from functions.gateway.adapters.anthropic_wire import AnthropicWire
from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.core.errors import (
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from functions.gateway.core.models import Target, Usage
from functions.kit.errors import DcoderError
from tests.unit.gateway.wires.provider import LocalProvider, Reply, target
from tests.unit.gateway.wires.told import Told, of_chunks, of_completion

Json = dict[str, Any]

QUESTION: Json = {"messages": [{"role": "user", "content": "?"}], "model": "as the caller names it"}
USAGE: Json = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
}
TOLD_USAGE: Json = {
    "prompt_tokens": 60,
    "completion_tokens": 7,
    "total_tokens": 67,
    "prompt_tokens_details": {"cached_tokens": 30, "cache_creation_tokens": 20, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 3},
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
}
THINKING: Json = {"type": "thinking", "thinking": "Hmm.", "signature": "sig"}
HIDDEN: Json = {"type": "redacted_thinking", "data": "xyz"}


def message(content: list[Json], reason: str = "end_turn", **more: Any) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": None}
    return {**head, "content": content, "stop_reason": reason, "usage": USAGE, **more}


def at(provider: LocalProvider) -> Target:
    return target(f"{provider.url}/v1", "anthropic", "claude-x")


def start() -> Json:
    usage = {**USAGE, "output_tokens": 1, "output_tokens_details": None}
    return {"type": "message_start", "message": {**message([], ""), "stop_reason": None, "usage": usage}}


def block(index: int, begun: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def end(reason: str, **more: Any) -> list[Json]:
    delta = {"stop_reason": reason, "stop_sequence": None, **more}
    return [{"type": "message_delta", "delta": delta, "usage": USAGE}, {"type": "message_stop"}]


async def stream(provider: LocalProvider, http: ProviderHttp, *events: Json, cut: bool = False) -> Told:
    provider.will(Reply.events(*events, cut=cut))
    async with AnthropicWire(http).stream(at(provider), QUESTION) as chunks:
        return of_chunks([chunk async for chunk in chunks])


async def test_the_request_on_the_wire(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(Reply.json(message([{"type": "text", "text": "hi"}])))
    await AnthropicWire(http).complete(at(provider), QUESTION)
    asked = provider.asked[0]
    assert asked.path == "/v1/messages"
    assert asked.headers["x-api-key"] == "sk-secret"
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.headers["content-type"] == "application/json"
    assert "authorization" not in asked.headers
    assert asked.json["model"] == "claude-x"
    assert "stream" not in asked.json


async def test_what_it_took_to_compact_a_conversation_is_counted(provider: LocalProvider, http: ProviderHttp) -> None:
    compacted = {
        "type": "compaction",
        "input_tokens": 100,
        "output_tokens": 40,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 5},
    }
    usage = {**USAGE, "iterations": [{**USAGE, "type": "message"}, compacted]}
    provider.will(Reply.json({**message([{"type": "text", "text": "hi"}]), "usage": usage}))
    told = Usage.of((await AnthropicWire(http).complete(at(provider), QUESTION))["usage"])
    assert told == Usage(165, 47, False, 30, 25, 5, 3)
    events: list[Json] = [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
    streamed = await stream(provider, http, start(), *block(0, {"type": "text", "text": "hi"}), *events)
    assert Usage.of(streamed.usage) == told


async def test_thinking_words_and_calls(provider: LocalProvider, http: ProviderHttp) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, "ü"]}}
    bare = {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}
    content = [THINKING, HIDDEN, {"type": "text", "text": "Let "}, {"type": "text", "text": "me."}, call, bare]
    provider.will(Reply.json(message(content, "tool_use")))
    whole = of_completion(await AnthropicWire(http).complete(at(provider), QUESTION))
    assert whole == Told(
        "Let me.",
        "Hmm.",
        thinking=[THINKING, HIDDEN],
        calls=[("toolu_1", "f", {"a": [1, "ü"]}), ("toolu_2", "g", {})],
        finish="tool_calls",
        usage=TOLD_USAGE,
    )
    events = [
        start(),
        {"type": "ping"},
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "thinking_delta", "thinking": "m."},
            {"type": "signature_delta", "signature": "sig"},
        ),
        *block(1, HIDDEN),
        *block(2, {"type": "text", "text": "Let "}, {"type": "text_delta", "text": "me."}),
        *block(
            3,
            {**call, "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"a": [1,'},
            {"type": "input_json_delta", "partial_json": ' "ü"]}'},
        ),
        {"type": "a kind that does not exist yet"},
        *block(4, bare),
        *end("tool_use"),
    ]
    assert await stream(provider, http, *events) == whole
    assert provider.asked[0].json["stream"] is True


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("one that does not exist yet", "stop"),
    ],
)
async def test_why_it_ended(provider: LocalProvider, http: ProviderHttp, reason: str, finish: str) -> None:
    details = {"stop_details": {"type": "refusal", "explanation": "I will not."}} if reason == "refusal" else {}
    text = {"type": "text", "text": "a"}
    provider.will(Reply.json(message([text], reason, **details)))
    whole = of_completion(await AnthropicWire(http).complete(at(provider), QUESTION))
    assert (whole.finish, whole.refusal) == (finish, "I will not." if details else "")
    assert await stream(provider, http, start(), *block(0, text), *end(reason, **details)) == whole


async def test_the_stop_sequence_that_matched_is_told(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(Reply.json(message([], "stop_sequence", stop_sequence="END")))
    completion = await AnthropicWire(http).complete(at(provider), QUESTION)
    assert completion["choices"][0]["stop_sequence"] == "END"
    assert completion["choices"][0]["message"]["content"] == ""


async def test_usage_missing_and_usage_zero(provider: LocalProvider, http: ProviderHttp) -> None:
    text = {"type": "text", "text": "a"}
    provider.will(Reply.json({name: value for name, value in message([text]).items() if name != "usage"}))
    assert "usage" not in await AnthropicWire(http).complete(at(provider), QUESTION)
    silent = [start(), *block(0, text), *end("end_turn")]
    silent[0]["message"]["usage"] = None
    silent[-2]["usage"] = None
    assert (await stream(provider, http, *silent)).usage is None
    silent[-2]["usage"] = {"input_tokens": 0, "output_tokens": 0}
    usage = (await stream(provider, http, *silent)).usage
    assert usage is not None
    assert usage["total_tokens"] == 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ProviderUnavailable),
        ("api_error", ProviderUnavailable),
        ("rate_limit_error", ProviderRateLimited),
        ("timeout_error", ProviderTimeout),
        ("authentication_error", ProviderAuthenticationFailed),
        ("permission_error", ProviderAuthenticationFailed),
        ("invalid_request_error", ProviderRejected),
        ("billing_error", ProviderRejected),
        ("one that does not exist yet", ProviderUnavailable),
    ],
)
async def test_an_error_in_the_stream(
    provider: LocalProvider, http: ProviderHttp, kind: str, expected: type[DcoderError]
) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "Overloaded"}}
    with pytest.raises(expected) as caught:
        await stream(provider, http, start(), *block(0, {"type": "text", "text": "a"}), error)
    assert caught.value.details["providerMessage"] == "Overloaded"


async def test_a_stream_that_ends_too_early(provider: LocalProvider, http: ProviderHttp) -> None:
    with pytest.raises(ProviderUnavailable):
        await stream(provider, http, start(), *block(0, {"type": "text", "text": "a"}))
    with pytest.raises(ProviderUnavailable):
        await stream(provider, http, start(), *end("end_turn")[:1])
    with pytest.raises(ProviderBadResponse):
        await stream(provider, http, start(), cut=True)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"content": None},
        message([{"type": "text"}]),
        message([{"kind": "text"}]),
        {**message([]), "usage": {"output_tokens": 1}},
    ],
)
async def test_an_answer_of_another_format(provider: LocalProvider, http: ProviderHttp, answer: Json) -> None:
    provider.will(Reply.json(answer))
    with pytest.raises(ProviderBadResponse):
        await AnthropicWire(http).complete(at(provider), QUESTION)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "message_start"},
        {"type": "content_block_stop", "index": 4},
        {"type": "content_block_delta", "index": 0, "delta": {}},
    ],
)
async def test_an_event_of_another_format(provider: LocalProvider, http: ProviderHttp, event: Json) -> None:
    with pytest.raises(ProviderBadResponse):
        await stream(provider, http, start(), event)


async def test_what_cannot_be_asked_is_not_asked(provider: LocalProvider, http: ProviderHttp) -> None:
    wire = AnthropicWire(http)
    with pytest.raises(ProviderRejected, match="seed"):
        await wire.complete(at(provider), {**QUESTION, "seed": 1})
    with pytest.raises(ProviderRejected, match="seed"):
        async with wire.stream(at(provider), {**QUESTION, "seed": 1}):
            pass
    with pytest.raises(ProviderRejected, match="embeddings"):
        await wire.embed(at(provider), {"input": "a"})
    assert provider.asked == []
