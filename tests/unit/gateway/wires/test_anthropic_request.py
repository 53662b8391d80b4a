"""OpenAI's request in Anthropic's terms: what is said, what is refused."""

from typing import Any

import pytest

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.translation.anthropic_request import message_request

Json = dict[str, Any]

PNG = "data:image/png;base64,iVBORw0KGgo="
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
CALL: Json = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Rome"}'}}


def ask(*messages: Json, **fields: Any) -> Json:
    given = messages or ({"role": "user", "content": "?"},)
    return {"model": "claude-sonnet-4-5", "messages": list(given), **fields}


def refused(body: Json) -> str:
    with pytest.raises(ProviderRejected) as caught:
        message_request(body)
    assert caught.value.status == 400
    field: str = caught.value.details["field"]
    assert caught.value.message.startswith(f"{field}: ")
    return field


def test_a_simple_question() -> None:
    assert message_request(ask()) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}]}],
    }


def test_instructions_stand_in_front_in_their_order() -> None:
    request = message_request(
        ask(
            {"role": "system", "content": "a"},
            {"role": "user", "content": "1"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
            {"role": "user", "content": "2"},
        )
    )
    assert [text["text"] for text in request["system"]] == ["a", "b", "c"]
    assert [block["text"] for block in request["messages"][0]["content"]] == ["1", "2"]


def test_a_round_of_parallel_calls() -> None:
    other = {**CALL, "id": "call:2"}
    request = message_request(
        ask(
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL, other]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "sun"},
            {"role": "tool", "tool_call_id": "call:2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "user", "content": "So?"},
            tools=[TOOL],
            parallel_tool_calls=False,
        )
    )
    _, called, answered = request["messages"]
    hexed = "hex_63616c6c3a32"
    assert called["content"] == [
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"place": "Rome"}},
        {"type": "tool_use", "id": hexed, "name": "weather", "input": {"place": "Rome"}},
    ]
    assert answered["role"] == "user"
    assert answered["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sun"}]},
        {"type": "tool_result", "tool_use_id": hexed, "content": [{"type": "text", "text": "rain"}]},
        {"type": "text", "text": "So?"},
    ]
    assert request["tools"] == [
        {
            "name": "weather",
            "description": "Weather of a place.",
            "input_schema": TOOL["function"]["parameters"],
        }
    ]
    assert request["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choices(choice: Any, expected: Json) -> None:
    assert message_request(ask(tools=[TOOL], tool_choice=choice))["tool_choice"] == expected


def test_a_tool_without_parameters_and_a_strict_one() -> None:
    bare: Json = {"type": "function", "function": {"name": "now"}}
    strict: Json = {"type": "function", "function": {**TOOL["function"], "strict": True}}
    request = message_request(ask(tools=[bare, strict]))
    assert request["tools"][0] == {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    assert request["tools"][1]["strict"] is True


def test_images_and_files() -> None:
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
    ]
    content = message_request(ask({"role": "user", "content": parts}))["messages"][0]["content"]
    assert content == [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
        },
    ]


def test_parameters() -> None:
    request = message_request(
        ask(
            temperature=1,
            top_p=0.5,
            top_k=40,
            max_completion_tokens=9,
            stop="END",
            user="u-1",
            service_tier="default",
            n=1,
            presence_penalty=0,
            logprobs=False,
            logit_bias={},
            store=False,
            stream=True,
            stream_options={"include_usage": True},
            metadata={"a": "b"},
            response_format={"type": "text"},
        )
    )
    assert request["temperature"] == 1
    assert request["top_p"] == 0.5
    assert request["top_k"] == 40
    assert request["max_tokens"] == 9
    assert request["stop_sequences"] == ["END"]
    assert request["metadata"] == {"user_id": "u-1"}
    assert request["service_tier"] == "standard_only"
    assert not request.keys() & {"n", "stream", "stream_options", "store", "output_config"}


def test_a_schema_for_the_answer() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    request = message_request(ask(response_format=wanted))
    assert request["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


@pytest.mark.parametrize(
    ("model", "effort", "limit", "thinking", "output", "max_tokens"),
    [
        ("claude-sonnet-4-5-20250929", "medium", None, {"type": "enabled", "budget_tokens": 8192}, None, 12288),
        ("claude-haiku-4-5", "high", 32000, {"type": "enabled", "budget_tokens": 16384}, None, 32000),
        ("claude-3-7-sonnet-20250219", "high", 5000, {"type": "enabled", "budget_tokens": 4999}, None, 5000),
        ("claude-opus-4@20250514", "low", None, {"type": "enabled", "budget_tokens": 2048}, None, 6144),
        ("claude-opus-4-6", "xhigh", 100, {"type": "adaptive", "display": "summarized"}, "max", 100),
        ("claude-opus-4-7", "max", None, {"type": "adaptive", "display": "summarized"}, "max", 4096),
        ("claude-opus-4-5", "max", 64000, {"type": "enabled", "budget_tokens": 32768}, None, 64000),
        ("claude-opus-4-7", "xhigh", None, {"type": "adaptive", "display": "summarized"}, "xhigh", 4096),
        ("claude-sonnet-5", "minimal", None, {"type": "adaptive", "display": "summarized"}, "low", 4096),
        ("claude-newest-preview", "high", None, {"type": "adaptive", "display": "summarized"}, "high", 4096),
        ("claude-opus-5", "none", None, {"type": "disabled"}, None, 4096),
        ("claude-3-5-haiku-20241022", "none", None, None, None, 4096),
    ],
)
def test_reasoning_effort(
    model: str, effort: str, limit: int | None, thinking: Json | None, output: str | None, max_tokens: int
) -> None:
    request = message_request({**ask(reasoning_effort=effort, max_tokens=limit), "model": model})
    assert request.get("thinking") == thinking
    assert request.get("output_config", {}).get("effort") == output
    assert request["max_tokens"] == max_tokens


@pytest.mark.parametrize(("model", "limit"), [("claude-3-5-sonnet-20241022", None), ("claude-sonnet-4-5", 1024)])
def test_thinking_that_cannot_be(model: str, limit: int | None) -> None:
    assert refused({**ask(reasoning_effort="low", max_tokens=limit), "model": model}) == "reasoning_effort"


def test_thinking_blocks_go_back_as_they_came() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = {"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking_blocks": [block]}
    assert message_request(ask(said))["messages"][0]["content"] == [block, {"type": "text", "text": "a"}]


def test_marks_for_the_prompt_cache_are_kept() -> None:
    mark = {"type": "ephemeral"}
    text = {"type": "text", "text": "long", "cache_control": mark}
    request = message_request(
        ask(
            {"role": "system", "content": [text]},
            {"role": "user", "content": [text]},
            {"role": "assistant", "tool_calls": [{**CALL, "cache_control": mark}]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "x", "cache_control": mark},
            tools=[{**TOOL, "cache_control": mark}],
            cache_control=mark,
        )
    )
    carriers = [request, *request["system"], *request["tools"]]
    carriers += [block for message in request["messages"] for block in message["content"]]
    assert len(carriers) == 6
    assert all(carrier["cache_control"] == mark for carrier in carriers)


def test_empty_words_are_no_words() -> None:
    request = message_request(
        ask({"role": "user", "content": "a"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "b"})
    )
    assert [message["role"] for message in request["messages"]] == ["user", "user"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"temperature": 1.2}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"seed": 1}, "seed"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": -0.5}, "frequency_penalty"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x", "format": "wav"}}, "audio"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"store": True}, "store"),
        ({"verbosity": "low"}, "verbosity"),
        ({"functions": [{"name": "x"}]}, "functions"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stop": 7}, "stop"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"reasoning_effort": "low", "thinking": {"type": "disabled"}}, "thinking"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom"}}, "tool_choice"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
            },
            "tool_choice.allowed_tools",
        ),
        ({"brand_new": 1}, "brand_new"),
    ],
)
def test_what_anthropic_lacks_is_refused_by_name(fields: Json, field: str) -> None:
    assert refused(ask(**fields)) == field


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": "?", "name": "ann"}, "messages[0].name"),
        ({"role": "function", "content": "?", "name": "f"}, "messages[0].role"),
        ({"role": "user", "content": 7}, "messages[0].content"),
        ({"role": "user", "content": [{"type": "video_url"}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": 1}]}, "messages[0].content[0].text"),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}]},
            "messages[0].content[0].input_audio",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,abc"}}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}]},
            "messages[0].content[0].image_url.detail",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
            "messages[0].content[0].file.file_id",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/csv;base64,YQ=="}}]},
            "messages[0].content[0].file.file_data",
        ),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
            "messages[0].content[0].image_url",
        ),
        ({"role": "assistant", "audio": {"id": "a"}}, "messages[0].audio"),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "x", "arguments": "{oops"}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "x", "arguments": "[1]"}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
    ],
)
def test_a_message_that_cannot_be_told_is_refused_by_place(message: Json, field: str) -> None:
    assert refused(ask(message)) == field
