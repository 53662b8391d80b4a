"""Callers who speak Anthropic to any provider: what is asked, what they are told."""

from typing import Any

import pytest

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.messages import Messages
from functions.gateway.core.models import Provider, Target
from functions.gateway.core.translation.messages_request import chat_request
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.messages_stream import MessageStream

Json = dict[str, Any]

MARK: Json = {"type": "ephemeral"}
ASKED: Json = {
    "model": "m",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"place": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "no such place", "is_error": True},
                {"type": "text", "text": "And here?", "cache_control": MARK},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object"}, "cache_control": MARK}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "temperature": 0.5,
    "service_tier": "standard_only",
    "stream": True,
}


def test_a_request_to_another_provider() -> None:
    said = {"role": "assistant", "content": "Let me see."}
    function = {"name": "weather", "arguments": '{"place":"Rome"}'}
    assert chat_request(ASKED, "openai", "m") == {
        "model": "m",
        "max_completion_tokens": 100,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {**said, "tool_calls": [{"id": "t1", "type": "function", "function": function}]},
            {
                "role": "tool",
                "tool_call_id": "t1",
                "content": [{"type": "text", "text": "Error: "}, {"type": "text", "text": "no such place"}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And here?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                ],
            },
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "stop": ["END"],
        "user": "u",
        "temperature": 0.5,
        "service_tier": "default",
        "stream": True,
    }


def test_what_is_anthropics_own_is_kept_for_anthropic() -> None:
    own = {"top_k": 5, "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "cache_control": MARK}
    request = chat_request({**ASKED, **own}, "anthropic", "m")
    assert {name: request[name] for name in own} == own
    system, _, assistant, tool, user = request["messages"]
    assert system["content"][0]["cache_control"] == MARK
    assert assistant["thinking_blocks"] == [{"type": "thinking", "thinking": "hm", "signature": "s"}]
    assert (tool["content"], tool["is_error"]) == ("no such place", True)
    assert user["content"][0]["cache_control"] == MARK
    assert request["tools"][0]["cache_control"] == MARK


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, None),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 8000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, "high"),
        ({"output_config": {"effort": "medium"}}, "medium"),
        ({"output_config": {"effort": "max"}}, "max"),
        ({"output_config": {"effort": "xhigh"}}, "xhigh"),
    ],
)
def test_thinking_becomes_effort_for_the_others(fields: Json, effort: str | None) -> None:
    assert chat_request({**ASKED, **fields}, "openai", "m").get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("kind", "model", "effort"),
    [
        ("openai", "gpt-4o-mini", None),
        ("openai", "gpt-5.2", "none"),
        ("google", "gemini-2.5-flash", "none"),
        ("groq", "openai/gpt-oss-20b", None),
    ],
)
def test_a_model_that_thinks_unasked_is_told_not_to(kind: str, model: str, effort: str | None) -> None:
    request = chat_request({**ASKED, "thinking": {"type": "disabled"}}, kind, model)
    assert request.get("reasoning_effort") == effort


@pytest.mark.parametrize("kind", ["google", "groq"])
def test_the_highest_efforts_are_the_others_highest(kind: str) -> None:
    assert chat_request({**ASKED, "output_config": {"effort": "max"}}, kind, "m")["reasoning_effort"] == "high"


def test_each_provider_has_its_own_word_for_the_standard_tier() -> None:
    tiers = {kind: chat_request(ASKED, kind, "m")["service_tier"] for kind in ("openai", "google", "groq")}
    assert tiers == {"openai": "default", "google": "default", "groq": "on_demand"}


def test_google_knows_some_of_it_too() -> None:
    request = chat_request({**ASKED, "top_k": 5}, "google", "m")
    assert request["top_k"] == 5
    assert request["messages"][3]["is_error"] is True
    assert "thinking_blocks" not in request["messages"][2]


def test_a_schema_for_the_answer() -> None:
    schema = {"type": "object", "properties": {}}
    config = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    wanted = chat_request({**ASKED, **config}, "openai", "m")["response_format"]
    assert wanted == {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"top_k": 3}, "top_k"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"name": "a", "input_schema": {}, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": {"type": "magic"}}, "tool_choice.type"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format.schema"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 9}}}, "output_config.task_budget"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages[0].content[0].source.media_type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b"}]}]},
            "messages[0].content[0].input",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_what_has_no_place_is_refused_by_name(fields: Json, field: str) -> None:
    with pytest.raises(ProviderRejected) as caught:
        chat_request({**ASKED, **fields}, "openai", "m")
    assert caught.value.details["field"] == field


def completion(finish: str, **said: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": finish}
    usage = {"prompt_tokens": 50, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 30}}
    return {"id": "x", "model": "m", "choices": [choice], "usage": usage}


def test_an_answer() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert message(completion("tool_calls", content="a", reasoning_content="hm", tool_calls=[call])) == {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 30,
            "output_tokens": 7,
        },
    }


def test_a_refusal_and_a_matched_stop_sequence() -> None:
    refused = message(completion("content_filter", content=None, refusal="No."))
    assert (refused["stop_reason"], refused["content"]) == ("refusal", [{"type": "text", "text": "No."}])
    stopped = completion("stop", content="a")
    stopped["choices"][0]["stop_sequence"] = "END"
    assert message(stopped)["stop_reason"] == "stop_sequence"


def chunk(delta: Json, finish: str | None = None) -> Json:
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}


def call(index: int, arguments: str, **begun: Any) -> Json:
    function = {"name": "f", "arguments": arguments} if begun else {"arguments": arguments}
    return chunk({"tool_calls": [{"index": index, **begun, "function": function}]})


def test_a_stream() -> None:
    chunks = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "a"}),
        call(0, "", id="c0"),
        call(0, "{}"),
        call(1, '{"b":1}', id="c1"),
        chunk({}, "tool_calls"),
        {"id": "x", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    ]
    stream = MessageStream()
    events = [event for one in chunks for event in stream.add(one)] + list(stream.end())
    assert [event["type"].removeprefix("content_block_") for event in events] == [
        "message_start",
        *("start", "delta", "stop"),
        *("start", "delta", "stop"),
        *("start", "delta", "stop"),
        *("start", "delta", "stop"),
        "message_delta",
        "message_stop",
    ]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert (events[-2]["usage"]["input_tokens"], events[-2]["usage"]["output_tokens"]) == (3, 4)


def test_pieces_of_calls_that_are_mixed_cannot_be_told() -> None:
    stream = MessageStream()
    for one in (call(0, "{", id="c0"), call(1, "{", id="c1")):
        list(stream.add(one))
    with pytest.raises(ValueError, match="mixed"):
        list(stream.add(call(0, "}")))


SIGNED: Json = {"google": {"thought_signature": "Z29vZ2xl"}}
CALL: Json = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def put_together(*chunks: Json) -> list[Json]:
    """The content that a client makes of a stream."""
    writer = MessageStream()
    events = [event for chunk in chunks for event in writer.add(chunk)] + list(writer.end())
    blocks: list[Json] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            piece = {name: value for name, value in event["delta"].items() if name != "type"}
            for name, value in piece.items():
                blocks[-1][name] = value if name == "signature" else blocks[-1].get(name, "") + value
    return blocks


def of_stream(**delta: Any) -> Json:
    return {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta}]}


GEMINI_SAID = [
    message(
        completion("tool_calls", content=None, reasoning_content="Hm.", tool_calls=[{**CALL, "extra_content": SIGNED}])
    ),
    {
        "content": put_together(
            of_stream(reasoning_content="Hm."),
            of_stream(tool_calls=[{"index": 0, **CALL, "function": {"name": "f"}, "extra_content": SIGNED}]),
        )
    },
]


@pytest.mark.parametrize("said", GEMINI_SAID, ids=["whole", "streamed"])
def test_what_gemini_signed_goes_back_to_it_and_to_nobody_else(said: Json) -> None:
    assert [block["type"] for block in said["content"]] == ["thinking", "tool_use", "thinking"]
    assert [block["thinking"] for block in said["content"][::2]] == ["Hm.", ""]
    asked = {"max_tokens": 9, "messages": [{"role": "assistant", "content": said["content"]}]}
    sent = {kind: chat_request(asked, kind, "m")["messages"][0] for kind in ("google", "vertex", "openai")}
    assert sent["google"]["tool_calls"] == sent["vertex"]["tool_calls"] == [{**CALL, "extra_content": SIGNED}]
    assert sent["openai"] == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    target = Target(Provider("p", "anthropic", "https://a", "k"), "m")
    native = Messages(asked, {}).native(target, None, stream=False)
    assert [block["type"] for block in native["messages"][0]["content"]] == ["tool_use"]


def test_words_alone_are_told_alone() -> None:
    said = message(completion("stop", content="Four.", extra_content=SIGNED))["content"]
    assert said == put_together(of_stream(content="Four.", extra_content=SIGNED)) == [{"type": "text", "text": "Four."}]
