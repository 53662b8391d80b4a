import json
from typing import Any

import pytest

from tests.unit.local.simulator.conftest import Simulator

PATH = "/anthropic/v1/messages"
Json = dict[str, Any]
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def headers(key: str, version: str = "2023-06-01") -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": version}


def body(text: str, **options: Any) -> Json:
    return {"model": "claude-sonnet-4-6", "max_tokens": 200, "messages": [{"role": "user", "content": text}], **options}


async def events(simulator: Simulator, key: str, request: Json) -> list[Json]:
    lines = await simulator.lines(PATH, {**request, "stream": True}, headers(key))
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names == [event["type"] for event in data]
    return data


async def test_a_whole_answer_reports_what_is_billed_and_counted(simulator: Simulator, key: str) -> None:
    request = body("Why do tides rise?", system="Be brief.")
    status, answer = await simulator.post(PATH, request, headers(key))
    assert (status, answer["stop_reason"], answer["content"][0]["type"]) == (200, "end_turn", "text")
    del request["max_tokens"]
    _, counted = await simulator.post(f"{PATH}/count_tokens", request, headers(key))
    bill = await simulator.bill(key)
    assert bill["promptTokens"] == answer["usage"]["input_tokens"] == counted["input_tokens"]
    assert bill["completionTokens"] == answer["usage"]["output_tokens"]
    assert bill["chatCalls"] == 1


async def test_a_stream_has_the_documented_events(simulator: Simulator, key: str) -> None:
    data = await events(simulator, key, body("echo: one two"))
    assert [event["type"] for event in data] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert "".join(event["delta"]["text"] for event in data if event["type"] == "content_block_delta") == "one two"
    bill = await simulator.bill(key)
    assert data[0]["message"]["usage"]["input_tokens"] == bill["promptTokens"]
    assert data[-2]["usage"]["output_tokens"] == bill["completionTokens"] == 2


async def test_a_tool_is_used_whole_and_in_a_stream(simulator: Simulator, key: str) -> None:
    request = body("Use get_weather for Paris", tools=[WEATHER])
    _, answer = await simulator.post(PATH, request, headers(key))
    (block,) = answer["content"]
    assert (answer["stop_reason"], block["type"], block["input"]) == ("tool_use", "tool_use", {"city": "Paris"})
    data = await events(simulator, key, request)
    parts = [event["delta"]["partial_json"] for event in data if event["type"] == "content_block_delta"]
    assert json.loads("".join(parts)) == {"city": "Paris"}
    assert (await simulator.bill(key))["completionTokens"] == 2 * answer["usage"]["output_tokens"]
    result = [{"type": "tool_result", "tool_use_id": block["id"], "content": [{"type": "text", "text": "22 degrees"}]}]
    turns = [*request["messages"], {"role": "assistant", "content": [block]}, {"role": "user", "content": result}]
    _, report = await simulator.post(PATH, request | {"messages": turns}, headers(key))
    assert report["content"][0]["text"] == "get_weather returned 22 degrees."


async def test_a_forced_tool_a_stop_sequence_and_a_limit(simulator: Simulator, key: str) -> None:
    forced = body("Hello", tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"})
    _, called = await simulator.post(PATH, forced, headers(key))
    assert called["stop_reason"] == "tool_use"
    _, stopped = await simulator.post(PATH, body("echo: a b c", stop_sequences=["b"]), headers(key))
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "b")
    _, cut = await simulator.post(PATH, body("Hello", max_tokens=3), headers(key))
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 3)


async def test_a_bearer_token_is_a_key_too(simulator: Simulator, key: str) -> None:
    credential = {"authorization": f"Bearer {key}", "anthropic-version": "2026-10-21"}
    status, _ = await simulator.post(PATH, body("Hello"), credential)
    assert (status, (await simulator.bill(key))["calls"]) == (200, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 1.0},
        {"messages": [{"role": "assistant", "content": [{"type": "document"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]}]},
    ],
)
async def test_the_newest_version_refuses_what_it_removed(simulator: Simulator, key: str, change: Json) -> None:
    request = body("Hello") | change
    assert (await simulator.post(PATH, request, headers(key)))[0] == 200
    status, answer = await simulator.post(PATH, request, headers(key, "2026-10-21"))
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("credential", "change", "status", "kind"),
    [
        ({}, {}, 401, "authentication_error"),
        (headers("sk-invalid"), {}, 401, "authentication_error"),
        ({"x-api-key": "sk-good"}, {}, 400, "invalid_request_error"),
        (headers("sk-good", "2020-01-01"), {}, 400, "invalid_request_error"),
        (headers("sk-good"), {"model": "claude-nope"}, 404, "not_found_error"),
        (headers("sk-good"), {"max_tokens": None}, 400, "invalid_request_error"),
        (headers("sk-good"), {"n": 1}, 400, "invalid_request_error"),
        (headers("sk-good"), {"model": "sim-small", "system": "tide " * 200}, 400, "invalid_request_error"),
    ],
)
async def test_errors(simulator: Simulator, credential: dict[str, str], change: Json, status: int, kind: str) -> None:
    got, answer = await simulator.post(PATH, body("Hello") | change, credential)
    assert (got, answer["type"], answer["error"]["type"]) == (status, "error", kind)
    assert answer["request_id"].startswith("req_")


async def test_models_are_listed(simulator: Simulator, key: str) -> None:
    listed = await simulator.get("/anthropic/v1/models", **headers(key))
    assert listed["first_id"] == listed["data"][0]["id"]
    one = await simulator.get("/anthropic/v1/models/claude-haiku-4-5", **headers(key))
    assert (one["type"], one["id"]) == ("model", "claude-haiku-4-5")
