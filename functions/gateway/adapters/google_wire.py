"""Speaks Google's generateContent: the Gemini API.

Source: ai.google.dev/api.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from functions.gateway.adapters.provider_errors import broken_off, details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest, json_object
from functions.gateway.core.dialects import understanding
from functions.gateway.core.errors import ModelNotFound, ProviderUnavailable
from functions.gateway.core.models import Json, Target
from functions.gateway.core.translation.gemini_embeddings import MOST_INPUTS, EmbeddingRequest, embedded
from functions.gateway.core.translation.gemini_request import content_request
from functions.gateway.core.translation.gemini_response import chat_completion
from functions.gateway.core.translation.gemini_stream import GeminiStream

_MODEL = re.compile(r"(?:(models|tunedModels)/)?([\w.@-]{1,128})")


class GoogleWire:
    """Calls the Gemini API."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def complete(self, target: Target, body: Json) -> Json:
        """POST models/{model}:generateContent.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        return await complete_content(self._http, _request(target, "generateContent", content_request(body)))

    async def embed(self, target: Target, body: Json) -> Json:
        """POST models/{model}:embedContent, or :batchEmbedContents for a list.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        asked = EmbeddingRequest.of(body)
        if asked.single:
            request = _request(target, "embedContent", asked.embed_content())
        else:
            request = _request(target, "batchEmbedContents", asked.batch_embed_contents(_path(target)))
        answer = await self._http.post(request)
        with understanding(target):
            return asked.answer(target.model, *embedded(answer))

    def most_inputs(self, target: Target) -> int:
        """How many texts the Gemini API embeds at once."""
        del target
        return MOST_INPUTS

    @asynccontextmanager
    async def stream(self, target: Target, body: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """POST models/{model}:streamGenerateContent.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        request = _request(target, "streamGenerateContent?alt=sse", content_request(body))
        async with self._http.stream(request) as events:
            yield content_chunks(target, events)


async def complete_content(http: ProviderHttp, request: ProviderRequest) -> Json:
    """The completion that answers a generateContent request."""
    answer = await http.post(request)
    with understanding(request.target):
        return chat_completion(answer, request.target.model)


async def content_chunks(target: Target, events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    """The chunks of a streamGenerateContent answer.

    Raises:
        DcoderError: the stream broke off; what was used until then is told before.
    """
    stream = GeminiStream(target.model)
    async for data in events:
        answer = json_object(target, data)
        if "error" in answer:
            if usage := stream.usage_chunk():
                yield usage
            raise broken_off(target, answer["error"])
        with understanding(target):
            chunks = list(stream.add(answer))
        for chunk in chunks:
            yield chunk
    if usage := stream.usage_chunk():
        yield usage
    if not stream.ended:
        raise ProviderUnavailable("the provider's stream ended in the middle", details=details_of(target))


def _request(target: Target, method: str, body: Json) -> ProviderRequest:
    provider = target.provider
    url = f"{provider.base_url}/{_path(target)}:{method}"
    return ProviderRequest.of(target, url, {"x-goog-api-key": provider.api_key}, body)


def _path(target: Target) -> str:
    """The model with its collection."""
    match = _MODEL.fullmatch(target.model)
    if match is None:
        raise ModelNotFound(f"{target.model!r} is no name of a model", details=details_of(target))
    return f"{match.group(1) or 'models'}/{quote(match.group(2))}"
