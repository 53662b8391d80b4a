"""OpenAI's request in Gemini's terms: what is said, what is refused."""

from typing import Any

import pytest

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.translation.gemini_request import content_request

Json = dict[str, Any]

TOOL: Json = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}},
}
CALL: Json = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Rome"}'}}
NO_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def ask(*messages: Json, **fields: Any) -> Json:
    given = messages or ({"role": "user", "content": "?"},)
    return {"model": "gemini-2.5-flash", "messages": list(given), **fields}


def refused(body: Json) -> str:
    with pytest.raises(ProviderRejected) as caught:
        content_request(body)
    field: str = caught.value.details["field"]
    return field


def test_a_simple_question() -> None:
    assert content_request(ask()) == {"contents": [{"role": "user", "parts": [{"text": "?"}]}]}


def test_instructions_and_turns() -> None:
    request = content_request(
        ask(
            {"role": "system", "content": "a"},
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "2", "reasoning_content": "hm", "thinking_blocks": [{"type": "thinking"}]},
            {"role": "user", "content": "3"},
        )
    )
    assert request["systemInstruction"] == {"parts": [{"text": "a"}]}
    assert [(turn["role"], turn["parts"]) for turn in request["contents"]] == [
        ("user", [{"text": "1"}]),
        ("model", [{"text": "2"}]),
        ("user", [{"text": "3"}]),
    ]


def test_a_round_of_parallel_calls() -> None:
    request = content_request(
        ask(
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Wait", "tool_calls": [CALL, {**CALL, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"n": 12345678901234567890}'},
            {"role": "tool", "tool_call_id": "c2", "content": "rain", "is_error": True},
            tools=[TOOL],
        )
    )
    called, answered = request["contents"][1]["parts"], request["contents"][2]["parts"]
    args = {"name": "weather", "args": {"place": "Rome"}}
    assert called == [
        {"text": "Wait"},
        {"functionCall": {"id": "c1", **args}, "thoughtSignature": NO_SIGNATURE},
        {"functionCall": {"id": "c2", **args}},
    ]
    assert [part["functionResponse"] for part in answered] == [
        {"id": "c1", "name": "weather", "response": {"output": '{"n": 12345678901234567890}'}},
        {"id": "c2", "name": "weather", "response": {"error": "rain"}},
    ]
    assert request["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "", "parametersJsonSchema": TOOL["function"]["parameters"]}
            ]
        }
    ]
    assert "toolConfig" not in request


def test_signatures_go_back_where_they_came_from() -> None:
    def signed(signature: str) -> Json:
        return {"extra_content": {"google": {"thought_signature": signature}}}

    said = {"role": "assistant", "content": "a", "tool_calls": [{**CALL, **signed("call")}], **signed("text")}
    text, call = content_request(ask(said))["contents"][0]["parts"]
    assert text == {"text": "a", "thoughtSignature": "text"}
    assert call["thoughtSignature"] == "call"


def test_media() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png?x=1"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/a"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC"}},
    ]
    assert content_request(ask({"role": "user", "content": parts}))["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png?x=1"}},
        {"fileData": {"fileUri": "gs://bucket/a"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "BBBB"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "CCCC"}},
    ]


def test_parameters() -> None:
    request = content_request(
        ask(
            temperature=2,
            top_p=0.5,
            max_tokens=9,
            stop=["a", "b"],
            n=3,
            seed=7,
            presence_penalty=1,
            frequency_penalty=-1,
            logprobs=True,
            top_logprobs=2,
            service_tier="flex",
            user="u",
            stream=True,
        )
    )
    assert request["generationConfig"] == {
        "temperature": 2,
        "topP": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["a", "b"],
        "candidateCount": 3,
        "seed": 7,
        "presencePenalty": 1,
        "frequencyPenalty": -1,
        "responseLogprobs": True,
        "logprobs": 2,
    }
    assert request["serviceTier"] == "flex"


def test_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    loose = content_request(ask(response_format={"type": "json_object"}))
    tight = content_request(
        ask(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    )
    assert loose["generationConfig"] == {"responseMimeType": "application/json"}
    assert tight["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        ("auto", False, None),
        ("auto", True, {"mode": "VALIDATED"}),
        ("required", False, {"mode": "ANY"}),
        ("none", False, {"mode": "NONE"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            False,
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
            False,
            {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_tool_choices(choice: Any, strict: bool, expected: Json | None) -> None:
    tool = {"type": "function", "function": {**TOOL["function"], "strict": strict}}
    request = content_request(ask(tools=[tool], tool_choice=choice))
    assert request.get("toolConfig", {}).get("functionCallingConfig") == expected


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-pro-preview", "high", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.5-pro", "xhigh", {"thinkingLevel": "XHIGH", "includeThoughts": True}),
        ("gemini-3.5-flash", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-2.0-flash", "none", None),
    ],
)
def test_reasoning_effort(model: str, effort: str, expected: Json | None) -> None:
    config = content_request({**ask(reasoning_effort=effort), "model": model}).get("generationConfig", {})
    assert config.get("thinkingConfig") == expected


def test_googles_own_fields() -> None:
    own = {"thinking_config": {"includeThoughts": True}, "cached_content": "cachedContents/1", "safety_settings": [{}]}
    request = content_request(ask(extra_body={"google": own}))
    assert request["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
    assert request["cachedContent"] == "cachedContents/1"
    assert request["safetySettings"] == [{}]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"n": 9}, "n"),
        ({"temperature": 2.5}, "temperature"),
        ({"stop": ["a"] * 6}, "stop"),
        ({"seed": 2**40}, "seed"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"reasoning_effort": "max"}, "reasoning_effort"),
        ({"model": "gemini-2.5-pro", "reasoning_effort": "xhigh"}, "reasoning_effort"),
        ({"model": "gemini-2.0-flash", "reasoning_effort": "low"}, "reasoning_effort"),
        ({"model": "gemini-3-flash-preview", "reasoning_effort": "none"}, "reasoning_effort"),
        ({"thinking": {"type": "disabled"}}, "thinking"),
        ({"extra_body": {"anthropic": {}}}, "extra_body.anthropic"),
        ({"extra_body": {"google": {"tools": []}}}, "extra_body.google.tools"),
        (
            {"reasoning_effort": "low", "extra_body": {"google": {"thinking_config": {}, "x": None}}},
            "extra_body.google.thinking_config",
        ),
        ({"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}, "tools[0].cache_control"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"audio": {}}, "audio"),
    ],
)
def test_what_gemini_lacks_is_refused_by_name(fields: Json, field: str) -> None:
    assert refused(ask(**fields)) == field


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": "?", "name": "ann"}, "messages[0].name"),
        ({"role": "tool", "tool_call_id": "c9", "content": "x"}, "messages[0].tool_call_id"),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
            "messages[0].content[0].cache_control",
        ),
    ],
)
def test_a_message_that_cannot_be_told_is_refused_by_place(message: Json, field: str) -> None:
    assert refused(ask(message)) == field
