import json
from typing import Any

import pytest

from tests.unit.local.simulator.conftest import Simulator

PATH = "/groq/openai/v1/chat/completions"
Json = dict[str, Any]


def body(text: str, **options: Any) -> Json:
    return {"model": "llama-3.3-70b-versatile", "messages": [{"role": "user", "content": text}], **options}


async def test_whole_answers_have_timings_and_a_request_id(simulator: Simulator, key: str) -> None:
    status, answer = await simulator.post(PATH, body("echo: hi"), {"authorization": f"Bearer {key}"})
    assert (status, answer["choices"][0]["message"]) == (200, {"role": "assistant", "content": "hi"})
    assert {"queue_time", "total_time"} < set(answer["usage"])
    assert answer["x_groq"]["id"].startswith("req_")
    assert (await simulator.bill(key))["promptTokens"] == answer["usage"]["prompt_tokens"]


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
async def test_streams_end_with_usage_in_x_groq(simulator: Simulator, key: str, options: Json) -> None:
    lines = await simulator.lines(
        PATH, body("echo: one two", stream=True, **options), {"authorization": f"Bearer {key}"}
    )
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    (last,) = (chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"])
    usage = last["x_groq"]["usage"]
    bill = await simulator.bill(key)
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (bill["promptTokens"], bill["completionTokens"])
    assert bool(options) is (not chunks[-1]["choices"])


async def test_a_streamed_tool_call_comes_in_one_chunk(simulator: Simulator, key: str) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"properties": {}}}}
    request = body("use get_weather", stream=True, tools=[tool])
    lines = await simulator.lines(PATH, request, {"authorization": f"Bearer {key}"})
    calls = [line for line in lines if "tool_calls" in line and '"arguments":"{}"' in line]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("credential", "change", "status", "code"),
    [
        ("sk-invalid", {}, 401, "invalid_api_key"),
        ("sk-good", {"model": "gpt-4o"}, 404, "model_not_found"),
        ("sk-good", {"n": 2}, 400, None),
        ("sk-good", {"unknown_field": 1}, 400, None),
    ],
)
async def test_errors(simulator: Simulator, credential: str, change: Json, status: int, code: str | None) -> None:
    got, answer = await simulator.post(PATH, body("hi") | change, {"authorization": f"Bearer {credential}"})
    assert (got, answer["error"].get("code")) == (status, code)
    assert "param" not in answer["error"]
