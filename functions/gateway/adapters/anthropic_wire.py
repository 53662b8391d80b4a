"""Speaks Anthropic's Messages API.

Source: platform.claude.com/docs/en/api/messages.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from functions.gateway.adapters.provider_errors import broken_off, details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest, json_object
from functions.gateway.core.dialects import understanding
from functions.gateway.core.errors import ProviderRejected, ProviderUnavailable
from functions.gateway.core.models import Json, Target
from functions.gateway.core.translation.anthropic_request import message_request
from functions.gateway.core.translation.anthropic_response import chat_completion
from functions.gateway.core.translation.anthropic_stream import AnthropicStream

_VERSION = "2023-06-01"


class AnthropicWire:
    """Calls Anthropic."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def complete(self, target: Target, body: Json) -> Json:
        """POST /messages.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        message = await self._http.post(_request(target, message_request(body)))
        with understanding(target):
            return chat_completion(message)

    async def embed(self, target: Target, body: Json) -> Json:
        """Anthropic has no embeddings.

        Raises:
            ProviderRejected: always.
        """
        del body
        raise ProviderRejected("Anthropic offers no embeddings", details=details_of(target))

    def most_inputs(self, target: Target) -> int:
        """It embeds none."""
        del target
        return 1

    @asynccontextmanager
    async def stream(self, target: Target, body: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """POST /messages with `stream`.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with self._http.stream(_request(target, {**message_request(body), "stream": True})) as events:
            yield _chunks(target, events)


def _request(target: Target, body: Json) -> ProviderRequest:
    provider = target.provider
    headers = {"x-api-key": provider.api_key, "anthropic-version": _VERSION}
    return ProviderRequest.of(target, f"{provider.base_url}/messages", headers, {**body, "model": target.model})


async def _chunks(target: Target, events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    stream = AnthropicStream()
    async for data in events:
        event = json_object(target, data)
        if event.get("type") == "error":
            raise broken_off(target, event.get("error"))
        with understanding(target):
            chunks = list(stream.add(event))
        for chunk in chunks:
            yield chunk
    if not stream.ended:
        raise ProviderUnavailable("the provider's stream ended in the middle", details=details_of(target))
