import asyncio
import json
import time
from typing import Any

import aiohttp
import openai as openai_errors
import pytest
from openai import AsyncOpenAI

from tests.unit.local.simulator.conftest import Simulator

OPENAI = "/openai/v1/chat/completions"
ANTHROPIC = "/anthropic/v1/messages"
GEMINI = "/google/v1beta/models/gemini-2.5-flash"
Json = dict[str, Any]


def headers(key: str, **faults: str) -> dict[str, str]:
    credential = {"authorization": f"Bearer {key}", "x-goog-api-key": key, "anthropic-version": "2023-06-01"}
    return credential | {f"x-sim-{name.replace('_', '-')}": value for name, value in faults.items()}


def body(text: str, **options: Any) -> Json:
    return {"model": "sim-chat", "messages": [{"role": "user", "content": text}], **options}


async def drained(response: aiohttp.ClientResponse) -> bytes:
    """What a response delivers before it ends or fails."""
    received = b""
    try:
        async for data in response.content.iter_any():
            received += data
    except aiohttp.ClientPayloadError:
        pass
    return received


async def bill_after_cancellation(simulator: Simulator, key: str) -> Json:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        bill = await simulator.bill(key)
        if bill["cancelledStreams"]:
            return bill
        await asyncio.sleep(0.02)
    pytest.fail("the simulator did not notice that the client left")


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("401", openai_errors.AuthenticationError),
        ("429", openai_errors.RateLimitError),
        ("500", openai_errors.InternalServerError),
        ("503", openai_errors.InternalServerError),
        ("context-length", openai_errors.BadRequestError),
    ],
)
async def test_documented_errors_cost_nothing(
    simulator: Simulator, openai: AsyncOpenAI, key: str, fault: str, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        await openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], extra_headers={"x-sim-fault": fault}
        )
    bill = await simulator.bill(key)
    assert (bill["calls"], bill["promptTokens"], bill["failedCalls"]) == (0, 0, 1)


@pytest.mark.parametrize("path", [OPENAI, "/groq/openai/v1/chat/completions", ANTHROPIC, f"{GEMINI}:generateContent"])
async def test_rate_limits_say_when_to_retry(simulator: Simulator, key: str, path: str) -> None:
    asked = headers(key, fault="429", retry_after="7")
    async with simulator.http.post(simulator.url + path, json=body("Hi"), headers=asked) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "7")


async def test_an_overloaded_anthropic_says_529(simulator: Simulator, key: str) -> None:
    status, answer = await simulator.post(ANTHROPIC, body("Hi", max_tokens=5), headers(key, fault="503"))
    assert (status, answer["error"]["type"]) == (529, "overloaded_error")


async def test_a_rule_applies_to_its_key_as_often_as_it_says(simulator: Simulator, key: str) -> None:
    await simulator.fault(key, fault="500", times=2)
    await simulator.fault(key, fault="429", times=1)
    statuses = [(await simulator.post(OPENAI, body("Hi"), headers(key)))[0] for _ in range(4)]
    assert statuses == [500, 500, 429, 200]
    assert (await simulator.post(OPENAI, body("Hi"), headers(f"{key}-other")))[0] == 200


async def test_a_rule_without_times_lasts_until_it_is_deleted(simulator: Simulator, key: str) -> None:
    await simulator.fault(key, fault="500")
    assert [(await simulator.post(OPENAI, body("Hi"), headers(key)))[0] for _ in range(3)] == [500] * 3
    rules = (await simulator.get("/_sim/faults"))["faults"]
    assert [rule["fault"] for rule in rules if rule["key"] == key] == ["500"]
    async with simulator.http.delete(f"{simulator.url}/_sim/faults?key={key}") as response:
        assert response.status == 204
    assert (await simulator.post(OPENAI, body("Hi"), headers(key)))[0] == 200


async def test_unknown_faults_are_refused(simulator: Simulator, key: str) -> None:
    assert (await simulator.post(OPENAI, body("Hi"), headers(key, fault="gremlins")))[0] == 400
    assert (await simulator.post("/_sim/faults", {"key": key, "fault": "gremlins"}, {}))[0] == 400


async def test_latency_and_chunk_delay(simulator: Simulator, key: str) -> None:
    started = time.perf_counter()
    await simulator.fault(key, latencyMs=60, chunkDelayMs=20, times=1)
    await simulator.lines(OPENAI, body("echo: a b c", stream=True), headers(key))
    assert time.perf_counter() - started > 0.06 + 0.02 * 4


async def test_no_answer(simulator: Simulator, key: str) -> None:
    patience = aiohttp.ClientTimeout(total=0.2)
    url, asked = simulator.url + OPENAI, headers(key, fault="timeout")
    with pytest.raises(TimeoutError):
        await simulator.http.post(url, json=body("Hi"), headers=asked, timeout=patience)


async def test_a_reset_connection(simulator: Simulator, key: str) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await simulator.http.post(simulator.url + OPENAI, json=body("Hi"), headers=headers(key, fault="reset"))
    assert (await simulator.bill(key))["calls"] == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_garbage(simulator: Simulator, key: str, stream: bool) -> None:
    asked = headers(key, fault="garbage")
    async with simulator.http.post(simulator.url + OPENAI, json=body("Hi", stream=stream), headers=asked) as response:
        assert response.status == 200
        assert response.content_type == ("text/event-stream" if stream else "application/json")
        text = await response.read()
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        json.loads(text.removeprefix(b"data: "))


async def test_a_wrong_content_type(simulator: Simulator, key: str) -> None:
    asked = headers(key, fault="wrong-content-type")
    async with simulator.http.post(simulator.url + OPENAI, json=body("Hi"), headers=asked) as response:
        assert (response.status, response.content_type) == (200, "text/html")


async def test_a_stream_is_cut_in_the_middle(simulator: Simulator, key: str) -> None:
    asked = headers(key, fault="cut-mid-stream")
    request = body("echo: one two three four", stream=True)
    async with simulator.http.post(simulator.url + OPENAI, json=request, headers=asked) as response:
        received = await drained(response)
    assert b"two" in received
    assert b"three" not in received
    bill = await simulator.bill(key)
    assert (bill["completionTokens"], bill["cancelledStreams"]) == (2, 0)
    assert bill["promptTokens"] > 0


async def test_a_whole_answer_is_cut_in_the_middle(simulator: Simulator, key: str) -> None:
    asked = headers(key, fault="cut-mid-stream")
    async with simulator.http.post(simulator.url + OPENAI, json=body("Hi"), headers=asked) as response:
        assert 0 < len(await drained(response)) < int(response.headers["content-length"])


async def test_a_stream_hangs_in_the_middle(simulator: Simulator, key: str) -> None:
    asked = headers(key, fault="hang-mid-stream")
    request = body("echo: one two three four", stream=True)
    patience = aiohttp.ClientTimeout(total=0.3)
    with pytest.raises(TimeoutError):
        async with simulator.http.post(
            simulator.url + OPENAI, json=request, headers=asked, timeout=patience
        ) as response:
            await response.read()
    assert (await simulator.bill(key))["completionTokens"] == 2


@pytest.mark.parametrize(
    ("path", "marker"),
    [
        (OPENAI, '"server_error"'),
        ("/groq/openai/v1/chat/completions", '"status_code":500'),
        (ANTHROPIC, '"overloaded_error"'),
    ],
)
async def test_a_stream_reports_an_error_in_the_middle(simulator: Simulator, key: str, path: str, marker: str) -> None:
    request = body("echo: one two three four", stream=True, max_tokens=50)
    lines = await simulator.lines(path, request, headers(key, fault="error-mid-stream"))
    assert marker in lines[-1]
    assert (await simulator.bill(key))["completionTokens"] == 2
    status, _ = await simulator.post(path, request | {"stream": False}, headers(key, fault="error-mid-stream"))
    assert status == 500


async def test_google_reports_an_error_in_the_middle(simulator: Simulator, key: str) -> None:
    request = {"contents": [{"parts": [{"text": "words: 30"}]}]}
    path = f"{GEMINI}:streamGenerateContent?alt=sse"
    lines = await simulator.lines(path, request, headers(key, fault="error-mid-stream"))
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["status"] == "UNAVAILABLE"


async def test_zero_usage_is_reported_and_billed(simulator: Simulator, key: str) -> None:
    _, answer = await simulator.post(OPENAI, body("Hi"), headers(key, fault="zero-usage"))
    assert answer["usage"]["total_tokens"] == 0
    request = body("Hi", stream=True, stream_options={"include_usage": True})
    lines = await simulator.lines(OPENAI, request, headers(key, fault="zero-usage"))
    assert '"total_tokens":0' in lines[-2]
    bill = await simulator.bill(key)
    assert (bill["chatCalls"], bill["promptTokens"], bill["completionTokens"]) == (2, 0, 0)


async def test_usage_is_left_out_but_billed(simulator: Simulator, key: str) -> None:
    _, answer = await simulator.post(OPENAI, body("Hi"), headers(key, fault="no-usage"))
    assert "usage" not in answer
    request = body("Hi", stream=True, stream_options={"include_usage": True})
    lines = await simulator.lines(OPENAI, request, headers(key, fault="no-usage"))
    assert not any('"total_tokens"' in line for line in lines)
    bill = await simulator.bill(key)
    assert (bill["chatCalls"], bill["completionTokens"] > 0) == (2, True)


async def test_a_long_line_is_still_the_answer(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    lines = await simulator.lines(OPENAI, body("echo: hi", stream=True), headers(key, fault="long-line"))
    assert len(lines[0]) > 1024 * 1024
    assert json.loads(lines[0].removeprefix("data: "))["object"] == "chat.completion.chunk"
    _, answer = await simulator.post(OPENAI, body("echo: hi"), headers(key, fault="long-line"))
    assert answer["choices"][0]["message"]["content"] == "hi"


async def test_faults_of_embeddings(simulator: Simulator, key: str) -> None:
    request = {"model": "sim-embedding", "input": "tides"}
    _, zero = await simulator.post("/openai/v1/embeddings", request, headers(key, fault="zero-usage"))
    assert zero["usage"]["total_tokens"] == 0
    _, none = await simulator.post("/openai/v1/embeddings", request, headers(key, fault="no-usage"))
    assert "usage" not in none
    assert (await simulator.post("/openai/v1/embeddings", request, headers(key, fault="503")))[0] == 503
    bill = await simulator.bill(key)
    assert (bill["embeddingCalls"], bill["embeddingTokens"]) == (2, 1)


async def test_a_client_that_leaves_pays_for_what_was_generated(simulator: Simulator, key: str) -> None:
    asked = headers(key, chunk_delay_ms="5")
    async with simulator.http.post(
        simulator.url + OPENAI, json=body("words: 5000", stream=True), headers=asked
    ) as response:
        for _ in range(9):
            await response.content.readline()
        response.close()
    bill = await bill_after_cancellation(simulator, key)
    assert bill["cancelledStreams"] == 1
    assert 3 <= bill["completionTokens"] < 1000
    assert (await simulator.bill(key))["completionTokens"] == bill["completionTokens"]
