"""OpenAI's wire passes everything on as it comes, and tells what goes wrong."""

from typing import Any

import pytest

from functions.gateway.adapters.openai_wire import OpenAIWire
from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.core.errors import (
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from functions.kit.errors import DcoderError
from tests.unit.gateway.wires.provider import LocalProvider, Reply, calling, target

Json = dict[str, Any]

QUESTION: Json = {"model": "m", "messages": [{"role": "user", "content": "?"}], "brand_new": [1]}
FIRST: Json = {"id": "1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
LAST: Json = {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
COUNTED: Json = {"id": "1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}


async def read(provider: LocalProvider, http: ProviderHttp, reply: Reply) -> list[Json]:
    provider.will(reply)
    async with OpenAIWire(http).stream(target(f"{provider.url}/v1"), QUESTION) as chunks:
        return [chunk async for chunk in chunks]


async def test_a_completion(provider: LocalProvider, http: ProviderHttp) -> None:
    answer = {"id": "1", "choices": [], "whatever": {"else": None}}
    provider.will(Reply.json(answer))
    assert await OpenAIWire(http).complete(target(f"{provider.url}/v1"), QUESTION) == answer
    asked = provider.asked[0]
    assert (asked.path, asked.json) == ("/v1/chat/completions", QUESTION)
    assert asked.headers["authorization"] == "Bearer sk-secret"


async def test_embeddings(provider: LocalProvider, http: ProviderHttp) -> None:
    answer = {"data": [{"embedding": [1.0]}], "usage": {}}
    provider.will(Reply.json(answer))
    assert await OpenAIWire(http).embed(target(f"{provider.url}/v1"), {"input": "a"}) == answer
    assert provider.asked[0].path == "/v1/embeddings"


async def test_a_stream(provider: LocalProvider, http: ProviderHttp) -> None:
    assert await read(provider, http, Reply.events(FIRST, LAST, COUNTED, b"[DONE]")) == [FIRST, LAST, COUNTED]
    assert provider.asked[0].json == {**QUESTION, "stream": True}


async def test_a_stream_without_its_last_word(provider: LocalProvider, http: ProviderHttp) -> None:
    assert await read(provider, http, Reply.events(FIRST, LAST)) == [FIRST, LAST]
    with pytest.raises(ProviderUnavailable):
        await read(provider, http, Reply.events(FIRST))
    with pytest.raises(ProviderBadResponse):
        await read(provider, http, Reply.events(FIRST, cut=True))
    with pytest.raises(ProviderBadResponse):
        await read(provider, http, Reply.events(FIRST, b"{oops"))


async def test_a_stream_that_hangs(provider: LocalProvider) -> None:
    async with calling(provider.host, first_byte_seconds=0.05) as http:
        with pytest.raises(ProviderTimeout):
            await read(provider, http, Reply.events(FIRST, hang=True))


async def test_a_provider_that_goes_on_after_the_last_word(provider: LocalProvider, http: ProviderHttp) -> None:
    assert await read(provider, http, Reply.events(LAST, b"[DONE]", hang=True)) == [LAST]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "type": "server_error"}, ProviderUnavailable),
        ({"message": "x", "type": "invalid_request_error", "status_code": 400}, ProviderRejected),
        ({"message": "x", "code": "rate_limit_exceeded"}, ProviderRateLimited),
        ({"message": "x", "code": 502}, ProviderUnavailable),
        ("just words", ProviderUnavailable),
        (None, ProviderUnavailable),
    ],
)
async def test_an_error_in_the_stream(
    provider: LocalProvider, http: ProviderHttp, error: Any, kind: type[DcoderError]
) -> None:
    with pytest.raises(kind):
        await read(provider, http, Reply.events(FIRST, {"error": error}))


@pytest.mark.parametrize("answer", [{}, {"choices": None}, {"data": 1}])
async def test_an_answer_of_another_format(provider: LocalProvider, http: ProviderHttp, answer: Json) -> None:
    provider.will(Reply.json(answer))
    wire, to = OpenAIWire(http), target(f"{provider.url}/v1")
    with pytest.raises(ProviderBadResponse):
        await wire.complete(to, QUESTION)
    with pytest.raises(ProviderBadResponse):
        await wire.embed(to, {"input": "a"})
