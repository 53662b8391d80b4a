"""Speaks OpenAI's wire format, which Groq and every OpenAI-compatible server share.

Source: platform.openai.com/docs/api-reference, console.groq.com/docs/openai.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache

import orjson

from functions.gateway.adapters.provider_errors import broken_off, details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest, json_object
from functions.gateway.core.errors import ProviderBadResponse, ProviderRejected, ProviderUnavailable
from functions.gateway.core.models import Json, Target

_MOST_INPUTS = 2048


class OpenAIWire:
    """Calls OpenAI, Groq or a server compatible with them.

    Args:
        embeds: whether the provider has embeddings.
    """

    def __init__(self, http: ProviderHttp, *, embeds: bool = True) -> None:
        self._http = http
        self._embeds = embeds

    async def complete(self, target: Target, body: Json) -> Json:
        """POST /chat/completions.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        answer = await self._http.post(_request(target, "/chat/completions", body))
        if not isinstance(answer.get("choices"), list):
            raise ProviderBadResponse("the provider's answer has no choices", details=details_of(target))
        return answer

    async def embed(self, target: Target, body: Json) -> Json:
        """POST /embeddings.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        if not self._embeds:
            raise ProviderRejected(
                f"providers of kind {target.provider.kind} offer no embeddings", details=details_of(target)
            )
        answer = await self._http.post(_request(target, "/embeddings", body))
        if not isinstance(answer.get("data"), list):
            raise ProviderBadResponse("the provider's answer has no data", details=details_of(target))
        return answer

    def most_inputs(self, target: Target) -> int:
        """How many inputs OpenAI embeds at once."""
        del target
        return _MOST_INPUTS

    @asynccontextmanager
    async def stream(self, target: Target, body: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """POST /chat/completions with `stream`.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with self._http.stream(_request(target, "/chat/completions", {**body, "stream": True})) as events:
            yield _chunks(target, events)


def _request(target: Target, path: str, body: Json) -> ProviderRequest:
    provider = target.provider
    return ProviderRequest(target, *_addressed(provider.base_url, path, provider.api_key), orjson.dumps(body))


@lru_cache(maxsize=1024)
def _addressed(base_url: str, path: str, api_key: str) -> tuple[str, Mapping[str, str]]:
    """Where a provider is asked, and by which headers."""
    return base_url + path, {"authorization": f"Bearer {api_key}", "content-type": "application/json"}


async def _chunks(target: Target, events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    ended = False
    async for data in events:
        if data == b"[DONE]":
            ended = True
            break
        chunk = json_object(target, data)
        if "error" in chunk:
            raise broken_off(target, chunk["error"])
        if not ended:
            for choice in chunk.get("choices") or ():
                ended = ended or bool(choice.get("finish_reason"))
        yield chunk
    if not ended:
        raise ProviderUnavailable("the provider's stream ended in the middle", details=details_of(target))
