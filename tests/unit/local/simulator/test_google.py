import json
from typing import Any

import pytest

from tests.unit.local.simulator.conftest import Simulator

GEMINI = "/google/v1beta/models/gemini-2.5-flash"
VERTEX = "/vertex/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash"
Json = dict[str, Any]
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}


def body(text: str, **options: Any) -> Json:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **options}


def text_of(chunks: list[Json]) -> str:
    return "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_a_whole_answer_reports_what_is_billed_and_counted(simulator: Simulator, key: str, version: str) -> None:
    path = GEMINI.replace("v1beta", version)
    status, answer = await simulator.post(f"{path}:generateContent", body("Why?"), {"x-goog-api-key": key})
    assert (status, answer["candidates"][0]["finishReason"]) == (200, "STOP")
    _, counted = await simulator.post(f"{path}:countTokens?key={key}", body("Why?"), {})
    usage, bill = answer["usageMetadata"], await simulator.bill(key)
    assert bill["promptTokens"] == usage["promptTokenCount"] == counted["totalTokens"]
    assert bill["completionTokens"] == usage["candidatesTokenCount"]
    assert (bill["chatCalls"], usage["totalTokenCount"]) == (1, bill["promptTokens"] + bill["completionTokens"])


@pytest.mark.parametrize("path", [GEMINI, VERTEX])
async def test_streams_as_events_and_as_an_array(simulator: Simulator, key: str, path: str) -> None:
    credential = {"authorization": f"Bearer {key}", "x-goog-api-key": key}
    request = body("echo: one two three four five")
    lines = await simulator.lines(f"{path}:streamGenerateContent?alt=sse", request, credential)
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    _, array = await simulator.post(f"{path}:streamGenerateContent", request, credential)
    assert text_of(chunks) == text_of(array) == "one two three four five"
    assert len(chunks) == 2
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    total = sum(stream[-1]["usageMetadata"]["candidatesTokenCount"] for stream in (chunks, array))
    assert (await simulator.bill(key))["completionTokens"] == total == 10


async def test_vertex_says_what_only_vertex_says(simulator: Simulator, key: str) -> None:
    _, answer = await simulator.post(f"{VERTEX}:generateContent", body("Hi"), {"authorization": f"Bearer {key}"})
    assert answer["usageMetadata"]["trafficType"] == "ON_DEMAND"
    assert {"createTime", "modelVersion", "responseId"} < set(answer)


async def test_functions(simulator: Simulator, key: str) -> None:
    tools = [{"functionDeclarations": [WEATHER]}]
    request = body("Use get_weather for Paris", tools=tools)
    _, answer = await simulator.post(f"{GEMINI}:generateContent", request, {"x-goog-api-key": key})
    (part,) = answer["candidates"][0]["content"]["parts"]
    assert part == {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}
    response = {"functionResponse": {"name": "get_weather", "response": {"result": "22 degrees"}}}
    turns = [*request["contents"], {"role": "model", "parts": [part]}, {"role": "user", "parts": [response]}]
    _, report = await simulator.post(
        f"{GEMINI}:generateContent", {"contents": turns, "tools": tools}, {"x-goog-api-key": key}
    )
    assert text_of([report]) == "get_weather returned 22 degrees."
    config = {"functionCallingConfig": {"mode": "ANY"}}
    forced = body("Hello", tools=tools, toolConfig=config)
    _, called = await simulator.post(f"{GEMINI}:generateContent", forced, {"x-goog-api-key": key})
    assert "functionCall" in called["candidates"][0]["content"]["parts"][0]


async def test_generation_config_in_either_case(simulator: Simulator, key: str) -> None:
    config = {"max_output_tokens": 3, "candidateCount": 2}
    request = body("Hello", generation_config=config)
    _, answer = await simulator.post(f"{GEMINI}:generateContent", request, {"x-goog-api-key": key})
    assert [candidate["finishReason"] for candidate in answer["candidates"]] == ["MAX_TOKENS", "MAX_TOKENS"]
    schema = {"type": "OBJECT", "properties": {"count": {"type": "INTEGER"}}}
    typed = body("7 ships", generationConfig={"responseMimeType": "application/json", "responseSchema": schema})
    _, ships = await simulator.post(f"{GEMINI}:generateContent", typed, {"x-goog-api-key": key})
    assert json.loads(text_of([ships])) == {"count": 7}


async def test_embeddings(simulator: Simulator, key: str) -> None:
    base = "/google/v1beta/models/gemini-embedding-001"
    one = {"content": {"parts": [{"text": "high tide"}]}, "outputDimensionality": 64}
    _, single = await simulator.post(f"{base}:embedContent", one, {"x-goog-api-key": key})
    _, batch = await simulator.post(f"{base}:batchEmbedContents", {"requests": [one, one]}, {"x-goog-api-key": key})
    assert batch["embeddings"][1]["values"] == single["embedding"]["values"]
    assert len(single["embedding"]["values"]) == 64
    predict = VERTEX.replace("gemini-2.5-flash", "text-embedding-005:predict")
    request = {"instances": [{"content": "high tide"}], "parameters": {"outputDimensionality": 64}}
    _, predicted = await simulator.post(predict, request, {"authorization": f"Bearer {key}"})
    assert predicted["predictions"][0]["embeddings"]["values"] == single["embedding"]["values"]
    assert predicted["predictions"][0]["embeddings"]["statistics"]["token_count"] == 2
    assert (await simulator.bill(key))["embeddingTokens"] == 8


async def test_models_are_listed(simulator: Simulator, key: str) -> None:
    listed = await simulator.get(f"/google/v1beta/models?key={key}")
    assert "models/gemini-2.5-flash" in {model["name"] for model in listed["models"]}
    one = await simulator.get(f"/google/v1beta/models/gemini-2.5-flash?key={key}")
    assert "generateContent" in one["supportedGenerationMethods"]


@pytest.mark.parametrize(
    ("path", "credential", "change", "status", "name"),
    [
        (GEMINI, {}, {}, 403, "PERMISSION_DENIED"),
        (GEMINI, {"x-goog-api-key": "invalid"}, {}, 400, "INVALID_ARGUMENT"),
        (VERTEX, {}, {}, 401, "UNAUTHENTICATED"),
        (VERTEX, {"authorization": "Bearer invalid"}, {}, 401, "UNAUTHENTICATED"),
        (GEMINI, {"x-goog-api-key": "k"}, {"contents": None}, 400, "INVALID_ARGUMENT"),
        (GEMINI, {"x-goog-api-key": "k"}, {"unknownField": 1}, 400, "INVALID_ARGUMENT"),
        (GEMINI.replace("flash", "nope"), {"x-goog-api-key": "k"}, {}, 404, "NOT_FOUND"),
        (VERTEX.replace("flash", "nope"), {"authorization": "Bearer k"}, {}, 404, "NOT_FOUND"),
    ],
)
async def test_errors(
    simulator: Simulator, path: str, credential: dict[str, str], change: Json, status: int, name: str
) -> None:
    got, answer = await simulator.post(f"{path}:generateContent", body("Hi") | change, credential)
    assert (got, answer["error"]["code"], answer["error"]["status"]) == (status, status, name)


async def test_an_error_of_an_array_stream_is_in_an_array(simulator: Simulator) -> None:
    _, answer = await simulator.post(f"{GEMINI}:streamGenerateContent", body("Hi"), {})
    assert answer[0]["error"]["status"] == "PERMISSION_DENIED"
