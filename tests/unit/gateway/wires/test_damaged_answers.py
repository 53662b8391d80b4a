"""Whatever stands in an answer where something else belongs: it is the provider's fault, and told as that."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.gateway.adapters.provider_errors import broken_off
from functions.gateway.core.dialects import understanding
from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.translation.anthropic_response import chat_completion as from_anthropic
from functions.gateway.core.translation.anthropic_stream import AnthropicStream
from functions.gateway.core.translation.gemini_embeddings import EmbeddingRequest, embedded, predicted
from functions.gateway.core.translation.gemini_response import chat_completion as from_gemini
from functions.gateway.core.translation.gemini_stream import GeminiStream
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.messages_stream import MessageStream
from functions.kit.errors import DcoderError
from tests.unit.gateway.wires.damage import damaged_copies
from tests.unit.gateway.wires.provider import target

Json = dict[str, Any]

TO = target("https://api.example.org/v1")
USAGE: Json = {"input_tokens": 1, "cache_read_input_tokens": 1, "output_tokens": 1, "output_tokens_details": {}}
THINKING: Json = {"type": "thinking", "thinking": "a", "signature": "s"}
CALLED: Json = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
MESSAGE: Json = {
    "id": "1",
    "model": "m",
    "content": [THINKING, {"type": "text", "text": "a"}, CALLED],
    "stop_reason": "refusal",
    "stop_sequence": None,
    "stop_details": {"explanation": "a"},
    "usage": USAGE,
}
EVENTS: list[Json] = [
    {"type": "message_start", "message": {**MESSAGE, "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": THINKING},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "a"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "a"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "a"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": CALLED},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE},
    {"type": "message_stop"},
]
TOKEN: Json = {"token": "a", "logProbability": -1.0}
PARTS: list[Json] = [
    {"text": "a", "thought": True},
    {"text": "a", "thoughtSignature": "s"},
    {"functionCall": {"id": "c", "name": "f", "args": {}}},
]
CANDIDATE: Json = {
    "content": {"parts": PARTS},
    "index": 0,
    "finishReason": "SAFETY",
    "finishMessage": "a",
    "logprobsResult": {"chosenCandidates": [TOKEN], "topCandidates": [{"candidates": [TOKEN]}]},
}
ANSWER: Json = {
    "candidates": [CANDIDATE],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    "responseId": "r",
    "modelVersion": "m",
    "createTime": "2026-02-17T11:12:40.135001Z",
}
BLOCKED: Json = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "a"}, "usageMetadata": {}}
CHUNKS: list[Json] = [
    {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"content": "a", "reasoning_content": "a"}}]},
    {
        "id": "x",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
                "finish_reason": "tool_calls",
            }
        ],
    },
    {"id": "x", "model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
]


def anthropic_events(events: list[Json]) -> None:
    stream = AnthropicStream()
    for event in events:
        list(stream.add(event))


def gemini_answers(answers: list[Json]) -> None:
    stream = GeminiStream("m")
    for answer in answers:
        list(stream.add(answer))
    stream.usage_chunk()


def message_events(chunks: list[Json]) -> None:
    stream = MessageStream()
    for chunk in chunks:
        list(stream.add(chunk))
    list(stream.end())


def embeddings(answer: Json) -> None:
    EmbeddingRequest.of({"input": "a", "encoding_format": "base64"}).answer("m", *embedded(answer))


def predictions(answer: Json) -> None:
    EmbeddingRequest.of({"input": "a", "encoding_format": "base64"}).answer("m", *predicted(answer))


READERS: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "Anthropic, whole": (MESSAGE, from_anthropic),
    "Anthropic, stream": (EVENTS, anthropic_events),
    "Gemini, whole": (ANSWER, lambda answer: from_gemini(answer, "m")),
    "Gemini, stream": ([ANSWER, BLOCKED], gemini_answers),
    "Gemini, blocked": (BLOCKED, lambda answer: from_gemini(answer, "m")),
    "OpenAI to Anthropic, whole": (from_anthropic(MESSAGE), message),
    "OpenAI to Anthropic, stream": (CHUNKS, message_events),
    "embeddings": ({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 1}}, embeddings),
    "predictions": (
        {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 1}}}]},
        predictions,
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_the_whole_answer_is_read(name: str) -> None:
    answer, read = READERS[name]
    read(answer)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_a_bad_response(name: str, data: st.DataObject) -> None:
    answer, read = READERS[name]
    with suppress(ProviderBadResponse), understanding(TO):
        read(data.draw(damaged_copies(answer)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_error_is_still_an_error(data: st.DataObject) -> None:
    whole = {"type": "error", "error": {"type": "rate_limit_error", "code": 429, "message": "a", "status_code": 429}}
    damaged = data.draw(damaged_copies(whole))
    assert isinstance(broken_off(TO, damaged.get("error")), DcoderError)
