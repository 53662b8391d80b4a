"""Reasoning over several requests, and the length of what no chat can say."""

from typing import Any

import pytest

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.models import Usage
from functions.gateway.core.outlines import outline_of
from functions.gateway.core.text_completions import TextCompletions
from functions.gateway.core.translation.anthropic_response import usage_of
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.responses_request import chat_request
from functions.gateway.core.translation.responses_response import chat_usage, response
from functions.gateway.core.translation.responses_stream import ResponseStream

Json = dict[str, Any]

THINKING: Json = {"type": "thinking", "thinking": "Two and two.", "signature": "c2ln"}
SIGNED: Json = {"google": {"thought_signature": "Z29vZ2xl"}}
REQUEST: Json = {"model": "m", "input": "?"}
CALL: Json = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def completion(**said: Any) -> Json:
    message = {"role": "assistant", "content": "Four.", **said}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "created": 1, "model": "m", "choices": [choice]}


def chunk(**delta: Any) -> Json:
    return {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta}]}


def next_request(output: list[Json], kind: str) -> list[Json]:
    items = [{"role": "user", "content": "?"}, *output, {"role": "user", "content": "Sure?"}]
    return list(chat_request({"model": "m", "input": items}, kind)["messages"])


def streamed(*chunks: Json) -> list[Json]:
    writer = ResponseStream(REQUEST)
    events = [event for each in chunks for event in writer.add(each)] + list(writer.end())
    return list(events[-1]["response"]["output"])


@pytest.mark.parametrize(
    "output",
    [
        response(completion(reasoning_content="Two and two.", thinking_blocks=[THINKING]), REQUEST)["output"],
        streamed(chunk(reasoning_content="Two and two."), chunk(thinking_blocks=[THINKING]), chunk(content="Four.")),
    ],
    ids=["whole", "streamed"],
)
def test_what_claude_thought_goes_back_to_it_and_to_nobody_else(output: list[Json]) -> None:
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "Two and two."}]
    assert next_request(output, "anthropic")[1]["thinking_blocks"] == [THINKING]
    assert "thinking_blocks" not in next_request(output, "groq")[1]


@pytest.mark.parametrize(
    "output",
    [
        response(completion(content=None, tool_calls=[{**CALL, "extra_content": SIGNED}]), REQUEST)["output"],
        streamed(chunk(tool_calls=[{"index": 0, **CALL, "extra_content": SIGNED}])),
    ],
    ids=["whole", "streamed"],
)
def test_what_gemini_signed_goes_back_to_it_and_to_nobody_else(output: list[Json]) -> None:
    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    result = {"type": "function_call_output", "call_id": "call_1", "output": "4"}
    assert next_request([*output, result], "google")[1]["tool_calls"] == [{**CALL, "extra_content": SIGNED}]
    assert next_request([*output, result], "openai")[1]["tool_calls"] == [CALL]


@pytest.mark.parametrize("made", [{}, {"id": None}, {"id": ""}])
def test_a_signed_call_without_an_id_is_told(made: Json) -> None:
    call = {"type": "function", "function": CALL["function"], "extra_content": SIGNED, **made}
    said = completion(content=None, tool_calls=[call])
    assert [item["type"] for item in response(said, REQUEST)["output"]] == ["function_call"]
    assert [block["type"] for block in message(said)["content"]] == ["tool_use"]


@pytest.mark.parametrize("sealed", ["dcoder1.!", "dcoder1.bm8=", "dcoder1.WzFd", "gAAAAA", 7, None])
def test_reasoning_that_cannot_be_read_is_left_out(sealed: Any) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}
    told = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Four."}]}
    assert next_request([item, told], "anthropic")[1] == {"role": "assistant", "content": "Four."}


def test_what_openai_s_cache_has_kept_is_counted_whatever_the_format() -> None:
    details = {"cached_tokens": 20, "cache_write_tokens": 50}
    told = {"input_tokens": 100, "input_tokens_details": details, "output_tokens": 5}
    usage = chat_usage({"status": "completed", "usage": told})
    counted = Usage.of(usage)
    assert counted is not None
    assert (counted.prompt_tokens, counted.cached_prompt_tokens, counted.cache_write_tokens) == (100, 20, 50)
    said = {**completion(), "usage": usage}
    assert response(said, REQUEST)["usage"]["input_tokens_details"] == details
    anthropic = message(said)["usage"]
    assert (anthropic["input_tokens"], anthropic["cache_creation_input_tokens"]) == (30, 50)


def test_what_anthropic_s_cache_has_kept_is_told_in_openai_s_words() -> None:
    usage = usage_of({"input_tokens": 30, "cache_creation_input_tokens": 50, "output_tokens": 5})
    details = response({**completion(), "usage": usage}, REQUEST)["usage"]["input_tokens_details"]
    assert details == {"cached_tokens": 0, "cache_write_tokens": 50}


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "input_text"}, "text"),
        ({"type": "input_text", "text": 7}, "text"),
        ({"type": "input_text", "text": "x", "emphasis": 2}, "emphasis"),
    ],
)
def test_a_part_that_cannot_be_said_is_refused_by_place(part: Json, field: str) -> None:
    with pytest.raises(ProviderRejected) as caught:
        chat_request({"model": "m", "input": [{"role": "user", "content": [part]}]}, "groq")
    assert caught.value.details["field"] == f"input[0].content[0].{field}"


def test_an_input_that_says_nothing_is_refused() -> None:
    with pytest.raises(ProviderRejected) as caught:
        chat_request({"model": "m", "input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "groq")
    assert caught.value.details["field"] == "input"


def test_an_outline_is_as_long_as_what_is_to_be_read() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}}
    request = {"model": "m", "max_tokens": 9, "messages": [{"content": [picture, {"type": "text", "text": "What?"}]}]}
    outline = outline_of(request, "max_tokens")
    content = outline["messages"][0]["content"]
    assert outline["max_completion_tokens"] == 9
    assert "What?" in content[0]["text"]
    assert len(content[0]["text"]) < 100
    assert content[1:] == [{"type": "file"}]


def test_prompts_of_tokens_are_as_long_as_they_are_and_all_answers_are_reserved() -> None:
    asked = TextCompletions({"model": "m", "prompt": [[1] * 50, [2] * 30], "n": 2, "best_of": 3, "max_tokens": 7})
    outline = asked.outline()
    assert outline["messages"][0]["content"].count(" a") == 80
    assert (outline["n"], outline["max_tokens"]) == (6, 7)
