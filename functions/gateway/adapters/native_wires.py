"""Speaks the callers' other formats to the providers that understand them, so that nothing is lost on the way.

Sources: platform.claude.com/docs/en/api/messages; platform.openai.com/docs/api-reference/responses, …/completions.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from functions.gateway.adapters.provider_errors import broken_off, details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest, json_object
from functions.gateway.core.errors import ProviderBadResponse, ProviderUnavailable
from functions.gateway.core.models import Json, Target

_VERSION = "2023-06-01"


class _Wire(ABC):
    """What the formats share.

    Attributes:
        path: where requests go.
        holds: the field of an answer that holds what was said.
    """

    path: ClassVar[str]
    holds: ClassVar[str]

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def complete(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """A whole answer, as it came.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        answer = await self._http.post(self._request(target, self.path, body, headers))
        if not isinstance(answer.get(self.holds), list):
            raise ProviderBadResponse(f"the provider's answer has no {self.holds}", details=details_of(target))
        return answer

    @asynccontextmanager
    async def stream(
        self, target: Target, body: Json, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of a stream as they come.

        Raises:
            DcoderError: one of the gateway's provider errors, at the start or while reading.
        """
        async with self._http.stream(self._request(target, self.path, body, headers)) as events:
            yield self._read(target, events)

    def _request(self, target: Target, path: str, body: Json, headers: Mapping[str, str]) -> ProviderRequest:
        provider = target.provider
        own = {**headers, "authorization": f"Bearer {provider.api_key}"}
        return ProviderRequest.of(target, provider.base_url + path, own, body)

    async def _read(self, target: Target, events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
        over = False
        async for data in events:
            if data == b"[DONE]":
                return
            event = json_object(target, data)
            if event.get("type") == "error" or event.get("error"):
                # Responses puts the error into the event itself, the others into `error`.
                raise broken_off(target, event.get("error") or event)
            yield event
            over = self._is_last(event)
            if over and "type" in event:
                return
        if not over:
            raise ProviderUnavailable("the provider's stream ended in the middle", details=details_of(target))

    @abstractmethod
    def _is_last(self, event: Json) -> bool:
        """Whether a stream may end behind an event; one that has a type ends there."""


class MessagesWire(_Wire):
    """Anthropic's Messages API, to Anthropic."""

    path = "/messages"
    holds = "content"

    async def count(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """POST /messages/count_tokens, which costs nothing.

        Raises:
            DcoderError: one of the gateway's provider errors.
        """
        return await self._http.post(self._request(target, f"{self.path}/count_tokens", body, headers))

    def _request(self, target: Target, path: str, body: Json, headers: Mapping[str, str]) -> ProviderRequest:
        provider = target.provider
        own = {"anthropic-version": _VERSION, **headers, "x-api-key": provider.api_key}
        return ProviderRequest.of(target, provider.base_url + path, own, body)

    def _is_last(self, event: Json) -> bool:
        return event.get("type") == "message_stop"


class ResponsesWire(_Wire):
    """OpenAI's Responses API, to OpenAI and servers compatible with it."""

    path = "/responses"
    holds = "output"

    def _is_last(self, event: Json) -> bool:
        return event.get("type") in ("response.completed", "response.incomplete", "response.failed")


class TextCompletionsWire(_Wire):
    """OpenAI's completions of a bare prompt, to OpenAI and servers compatible with it."""

    path = "/completions"
    holds = "choices"

    def _is_last(self, event: Json) -> bool:
        choices = event.get("choices") or ()
        return not choices or any(choice.get("finish_reason") for choice in choices)
