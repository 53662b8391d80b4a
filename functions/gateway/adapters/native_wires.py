"""Speaks the callers' other formats to the providers that understand them, so that nothing is lost on the way.

Sources: platform.claude.com/docs/en/api/messages; platform.openai.com/docs/api-reference/responses, …/completions.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from functions.gateway.adapters.provider_errors import broken_off, details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest, json_object
from functions.gateway.core.errors import ProviderBadResponse, ProviderUnavailable
from functions.gateway.core.models import Json, Target

_VERSION = "2023-06-01"
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class MessagesWire:
    """Anthropic's Messages API, to Anthropic."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def complete(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """POST /messages.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        return _holding(target, await self._http.post(_to_anthropic(target, "/messages", body, headers)), "content")

    async def count(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """POST /messages/count_tokens, which costs nothing.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        return await self._http.post(_to_anthropic(target, "/messages/count_tokens", body, headers))

    @asynccontextmanager
    async def stream(
        self, target: Target, body: Json, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """POST /messages with `stream`.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with self._http.stream(_to_anthropic(target, "/messages", body, headers)) as events:
            yield _typed(target, events, frozenset({"message_stop"}))


class ResponsesWire:
    """OpenAI's Responses API, to OpenAI and servers compatible with it."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def complete(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """POST /responses.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        return _holding(target, await self._http.post(_to_openai(target, "/responses", body, headers)), "output")

    @asynccontextmanager
    async def stream(
        self, target: Target, body: Json, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """POST /responses with `stream`.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with self._http.stream(_to_openai(target, "/responses", body, headers)) as events:
            yield _typed(target, events, _ENDS)


class TextCompletionsWire:
    """OpenAI's completions of a bare prompt, to OpenAI and servers compatible with it."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def complete(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """POST /completions.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        return _holding(target, await self._http.post(_to_openai(target, "/completions", body, headers)), "choices")

    @asynccontextmanager
    async def stream(
        self, target: Target, body: Json, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """POST /completions with `stream`.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with self._http.stream(_to_openai(target, "/completions", body, headers)) as events:
            yield _chunks(target, events)


def _to_anthropic(target: Target, path: str, body: Json, headers: Mapping[str, str]) -> ProviderRequest:
    provider = target.provider
    own = {"anthropic-version": _VERSION, **headers, "x-api-key": provider.api_key}
    return ProviderRequest.of(target, provider.base_url + path, own, body)


def _to_openai(target: Target, path: str, body: Json, headers: Mapping[str, str]) -> ProviderRequest:
    provider = target.provider
    own = {**headers, "authorization": f"Bearer {provider.api_key}"}
    return ProviderRequest.of(target, provider.base_url + path, own, body)


def _holding(target: Target, answer: Json, field: str) -> Json:
    if not isinstance(answer.get(field), list):
        raise ProviderBadResponse(f"the provider's answer has no {field}", details=details_of(target))
    return answer


async def _typed(target: Target, events: AsyncIterator[bytes], ends: frozenset[str]) -> AsyncIterator[Json]:
    """Events that name their type, until one of those that end the stream."""
    async for data in events:
        event = json_object(target, data)
        kind = event.get("type")
        if kind == "error" or (kind is None and "error" in event):
            # Anthropic and Chat put the error into `error`, Responses into the event itself.
            raise broken_off(target, event.get("error") or event)
        yield event
        if kind in ends:
            return
    raise ProviderUnavailable("the provider's stream ended in the middle", details=details_of(target))


async def _chunks(target: Target, events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    ended = False
    async for data in events:
        if data == b"[DONE]":
            return
        chunk = json_object(target, data)
        if "error" in chunk:
            raise broken_off(target, chunk["error"])
        ended = ended or any(choice.get("finish_reason") for choice in chunk.get("choices") or ())
        yield chunk
    if not ended:
        raise ProviderUnavailable("the provider's stream ended in the middle", details=details_of(target))
