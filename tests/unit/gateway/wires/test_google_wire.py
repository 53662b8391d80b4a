"""Gemini's answers, streams, embeddings and errors as the gateway tells them."""

import base64
import struct
from typing import Any

import pytest

from functions.gateway.adapters.google_wire import GoogleWire
from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.core.errors import (
    ModelNotFound,
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRejected,
    ProviderUnavailable,
)
from functions.gateway.core.models import Target
from tests.unit.gateway.wires.provider import LocalProvider, Reply, target
from tests.unit.gateway.wires.told import Told, of_chunks, of_completion

Json = dict[str, Any]

QUESTION: Json = {"messages": [{"role": "user", "content": "?"}]}
USAGE: Json = {
    "promptTokenCount": 10,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 18,
}
TOLD_USAGE: Json = {
    "prompt_tokens": 10,
    "completion_tokens": 8,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def at(provider: LocalProvider, model: str = "gemini-x") -> Target:
    return target(f"{provider.url}/v1beta", "google", model)


def answer(*parts: Json, reason: str | None = "STOP", index: int = 0, **more: Any) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "index": index, **more}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "gemini-x-001", "responseId": "r1"}


async def whole(provider: LocalProvider, http: ProviderHttp, reply: Json) -> Json:
    provider.will(Reply.json(reply))
    return await GoogleWire(http).complete(at(provider), QUESTION)


async def stream(provider: LocalProvider, http: ProviderHttp, *answers: Any) -> list[Json]:
    provider.will(Reply.events(*answers))
    async with GoogleWire(http).stream(at(provider), QUESTION) as chunks:
        return [chunk async for chunk in chunks]


async def test_the_requests_on_the_wire(provider: LocalProvider, http: ProviderHttp) -> None:
    await whole(provider, http, answer({"text": "hi"}))
    asked = provider.asked[0]
    assert asked.path == "/v1beta/models/gemini-x:generateContent"
    assert asked.headers["x-goog-api-key"] == "sk-secret"
    assert "sk-secret" not in asked.query
    await stream(provider, http, answer({"text": "hi"}))
    assert provider.asked[0].path == "/v1beta/models/gemini-x:streamGenerateContent"
    assert provider.asked[0].query == "alt=sse"


async def test_pictures_are_told_beside_the_words(provider: LocalProvider, http: ProviderHttp) -> None:
    drawn = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    sketch = {**drawn, "thought": True}
    told = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    completion = await whole(provider, http, answer({"text": "Here: "}, sketch, drawn))
    assert completion["choices"][0]["message"]["images"] == told
    assert completion["choices"][0]["message"]["content"] == "Here: "
    chunks = await stream(provider, http, answer({"text": "Here: "}, reason=None), answer(sketch, drawn))
    assert [delta["images"] for c in chunks for choice in c["choices"] if "images" in (delta := choice["delta"])] == [
        told
    ]


@pytest.mark.parametrize(
    ("model", "path"),
    [("models/gemini-x", "models/gemini-x"), ("tunedModels/mine-1", "tunedModels/mine-1"), ("a@b.c", "models/a@b.c")],
)
async def test_names_of_models(provider: LocalProvider, http: ProviderHttp, model: str, path: str) -> None:
    provider.will(Reply.json(answer({"text": "hi"})))
    await GoogleWire(http).complete(at(provider, model), QUESTION)
    assert provider.asked[0].path == f"/v1beta/{path}:generateContent"


@pytest.mark.parametrize("model", ["", "../x", "a/b", "models/../../x", "a?key=1", "a:b", "a b", "a%2f"])
async def test_a_name_cannot_leave_its_place_in_the_url(
    provider: LocalProvider, http: ProviderHttp, model: str
) -> None:
    with pytest.raises(ModelNotFound):
        await GoogleWire(http).complete(at(provider, model), QUESTION)
    assert provider.asked == []


async def test_thoughts_words_calls_and_signatures(provider: LocalProvider, http: ProviderHttp) -> None:
    parts: list[Json] = [
        {"text": "Hm.", "thought": True},
        {"text": "Let me.", "thoughtSignature": "t"},
        {"executableCode": {"code": "1"}},
        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "s"},
        {"functionCall": {"name": "g"}},
    ]
    told = of_completion(await whole(provider, http, answer(*parts)))
    made_up = told.calls[1][0]
    assert made_up.startswith("call_")
    assert told == Told(
        "Let me.",
        "Hm.",
        calls=[("c1", "f", {"a": 1}), (made_up, "g", {})],
        signatures=["t", "s"],
        finish="tool_calls",
        usage=TOLD_USAGE,
    )
    answers = [answer(part, reason=None) for part in parts] + [answer({"text": ""})]
    chunks = of_chunks(await stream(provider, http, *answers))
    chunks.calls[1] = told.calls[1]
    assert chunks == told


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "content_filter"),
        ("ONE_THAT_DOES_NOT_EXIST_YET", "content_filter"),
    ],
)
async def test_why_it_ended(provider: LocalProvider, http: ProviderHttp, reason: str, finish: str) -> None:
    reply = answer({"text": "a"}, reason=reason, finishMessage="because")
    completion = await whole(provider, http, reply)
    told = of_completion(completion)
    assert (told.text, told.finish) == ("a", finish)
    filtered = finish == "content_filter"
    assert told.refusal == ("because" if filtered else "")
    assert completion["choices"][0].get("native_finish_reason") == (reason if filtered else None)
    assert of_chunks(await stream(provider, http, reply)) == told


async def test_a_blocked_prompt(provider: LocalProvider, http: ProviderHttp) -> None:
    counted = {"promptTokenCount": 9, "totalTokenCount": 9}
    reply = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": counted, "modelVersion": "m"}
    completion = await whole(provider, http, reply)
    told = of_completion(completion)
    assert (told.text, told.finish) == ("", "content_filter")
    assert "SAFETY" in told.refusal
    assert told.usage is not None
    assert told.usage["prompt_tokens"] == 9
    assert of_chunks(await stream(provider, http, reply)) == told


async def test_usage_missing_and_usage_zero(provider: LocalProvider, http: ProviderHttp) -> None:
    missing = {name: value for name, value in answer({"text": "a"}).items() if name != "usageMetadata"}
    assert "usage" not in await whole(provider, http, missing)
    assert all(chunk["usage"] is None for chunk in await stream(provider, http, missing))
    zero = {**missing, "usageMetadata": {"trafficType": "ON_DEMAND"}}
    assert (await whole(provider, http, zero))["usage"]["total_tokens"] == 0
    first = {**answer({"text": "a"}, reason=None), "usageMetadata": {"trafficType": "ON_DEMAND"}}
    assert of_chunks(await stream(provider, http, first, answer({"text": "b"}))).usage == TOLD_USAGE


async def test_several_choices(provider: LocalProvider, http: ProviderHttp) -> None:
    two = answer({"text": "a"})
    two["candidates"].append({**answer({"text": "b"}, index=1)["candidates"][0]})
    completion = await whole(provider, http, two)
    assert [of_completion(completion, index).text for index in (0, 1)] == ["a", "b"]
    chunks = await stream(
        provider,
        http,
        answer({"text": "a"}, reason=None),
        answer({"text": "b"}, reason=None, index=1),
        answer({"text": "A"}),
        answer({"text": "B"}, index=1),
    )
    assert [of_chunks(chunks, index).text for index in (0, 1)] == ["aA", "bB"]


async def test_log_probabilities(provider: LocalProvider, http: ProviderHttp) -> None:
    token = {"token": "é", "tokenId": 1, "logProbability": -0.5}
    certain = {"token": "b", "tokenId": 2}
    result = {"chosenCandidates": [token, certain], "topCandidates": [{"candidates": [token]}, {}]}
    reply = answer({"text": "éb"}, logprobsResult=result)
    expected = [
        {
            "token": "é",
            "logprob": -0.5,
            "bytes": [195, 169],
            "top_logprobs": [{"token": "é", "logprob": -0.5, "bytes": [195, 169]}],
        },
        {"token": "b", "logprob": 0.0, "bytes": [98], "top_logprobs": []},
    ]
    assert of_completion(await whole(provider, http, reply)).logprobs == expected
    assert of_chunks(await stream(provider, http, reply)).logprobs == expected


async def test_a_stream_that_breaks_off_says_what_was_used(provider: LocalProvider, http: ProviderHttp) -> None:
    error = {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    for ending in ([error], []):
        provider.will(Reply.events(answer({"text": "a"}, reason=None), *ending))
        async with GoogleWire(http).stream(at(provider), QUESTION) as chunks:
            read = [await anext(chunks) for _ in range(3)]
            with pytest.raises(ProviderUnavailable):
                await anext(chunks)
        assert read[-1]["usage"] == TOLD_USAGE


async def test_a_wrong_key_is_a_400_there(provider: LocalProvider, http: ProviderHttp) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    provider.will(Reply.json({"error": {"code": 400, "message": "API key not valid.", "details": details}}, 400))
    with pytest.raises(ProviderAuthenticationFailed):
        await GoogleWire(http).complete(at(provider), QUESTION)
    provider.will(Reply.json([{"error": {"code": 400, "message": "bad"}}], 400))
    with pytest.raises(ProviderRejected, match="bad"):
        await GoogleWire(http).complete(at(provider), QUESTION)


@pytest.mark.parametrize(
    "reply", [{}, {"candidates": []}, {"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}]
)
async def test_an_answer_of_another_format(provider: LocalProvider, http: ProviderHttp, reply: Json) -> None:
    with pytest.raises(ProviderBadResponse):
        await whole(provider, http, reply)


async def test_one_embedding(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(Reply.json({"embedding": {"values": [0.5, -1.0]}}))
    body = {"input": "a", "dimensions": 2, "task_type": "RETRIEVAL_QUERY", "user": "u"}
    embedded = await GoogleWire(http).embed(at(provider, "gemini-embedding-001"), body)
    assert provider.asked[0].path == "/v1beta/models/gemini-embedding-001:embedContent"
    assert provider.asked[0].json == {
        "content": {"parts": [{"text": "a"}]},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 2,
    }
    assert embedded == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
        "model": "gemini-embedding-001",
    }


async def test_several_embeddings_in_base64(provider: LocalProvider, http: ProviderHttp) -> None:
    vectors = [{"values": [1.0]}, {"values": [2.0]}]
    provider.will(Reply.json({"embeddings": vectors, "usageMetadata": {"promptTokenCount": 5}}))
    body = {"input": ["a", "b"], "encoding_format": "base64"}
    embedded = await GoogleWire(http).embed(at(provider), body)
    assert provider.asked[0].path == "/v1beta/models/gemini-x:batchEmbedContents"
    assert [request["model"] for request in provider.asked[0].json["requests"]] == ["models/gemini-x"] * 2
    packed = [struct.unpack("<f", base64.b64decode(item["embedding"])) for item in embedded["data"]]
    assert packed == [(1.0,), (2.0,)]
    assert embedded["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": [1, 2]}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 101}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "truncate": True}, "truncate"),
    ],
)
async def test_embeddings_that_google_lacks(
    provider: LocalProvider, http: ProviderHttp, body: Json, field: str
) -> None:
    with pytest.raises(ProviderRejected) as caught:
        await GoogleWire(http).embed(at(provider), body)
    assert caught.value.details["field"] == field


async def test_as_many_vectors_as_texts(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(Reply.json({"embeddings": [{"values": [1.0]}]}))
    with pytest.raises(ProviderBadResponse):
        await GoogleWire(http).embed(at(provider), {"input": ["a", "b"]})
