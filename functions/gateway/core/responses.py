"""A request to OpenAI's Responses API, for any provider. Nothing is kept: each request carries its conversation.

Source: platform.openai.com/docs/api-reference/responses.
"""

from collections.abc import Mapping
from typing import ClassVar

from functions.gateway.core.dialects import ChunkReader, EventWriter
from functions.gateway.core.errors import QuotaExceeded
from functions.gateway.core.models import Json, Target
from functions.gateway.core.outlines import outline_of
from functions.gateway.core.translation.reasoning_items import is_own_item
from functions.gateway.core.translation.responses_request import chat_request, ensure_stateless
from functions.gateway.core.translation.responses_response import chat_completion, response
from functions.gateway.core.translation.responses_stream import ResponseReader, ResponseStream

_OUTPUT = "function_call_output"
# Least that OpenAI takes for `max_output_tokens`.
_SHORTEST = 16


class Responses:
    """One request."""

    api: ClassVar[str] = "responses"

    def __init__(self, request: Json) -> None:
        self.request = request
        self.headers: Mapping[str, str] = {}

    def chat(self, target: Target) -> Json:
        """The request as OpenAI's chat request.

        Raises:
            ProviderRejected: something in it has no equal there.
        """
        ensure_stateless(self.request)
        return {**chat_request(self.request, target.provider.kind), "model": target.model}

    def outline(self) -> Json:
        """A chat as long as the request."""
        return outline_of(self.request, "max_output_tokens")

    def native(self, target: Target, most_tokens: int | None, *, stream: bool) -> Json:
        """The request as OpenAI gets it, which is told to keep nothing.

        Raises:
            ProviderRejected: it needs answers to be kept, or tools that OpenAI runs itself.
            QuotaExceeded: OpenAI takes no limit that is as low.
        """
        ensure_stateless(self.request)
        limit = {} if most_tokens is None else {"max_output_tokens": self._at_most(most_tokens)}
        fixed = {"store": False, "stream": stream, "model": target.model}
        return {**self.request, **self._without_others_thoughts(), **limit, **fixed}

    def _at_most(self, most_tokens: int) -> int:
        own = self.request.get("max_output_tokens")
        if most_tokens < _SHORTEST and (own is None or own >= _SHORTEST):
            raise QuotaExceeded(
                "what is left of a limit has no room for the shortest answer that OpenAI can be held to",
                details={"maxTokens": most_tokens, "needed": _SHORTEST},
                retry_after=1,
                is_final=True,
            )
        return most_tokens

    def _without_others_thoughts(self) -> Json:
        items = self.request.get("input")
        if not isinstance(items, list) or not any(map(is_own_item, items)):
            return {}
        return {"input": [item for item in items if not is_own_item(item)]}

    def turns(self) -> list[Json]:
        """The input's items; what is neither said nor a function's output has nothing to say here."""
        given = self.request.get("input")
        if isinstance(given, str):
            return [{"role": "user", "content": given}]
        items = given if isinstance(given, list) and all(isinstance(item, dict) for item in given) else []
        return [_turn(item) for item in items]

    def with_turns(self, turns: list[Json]) -> "Responses":
        """The same request with the texts of these turns."""
        given = self.request["input"]
        if isinstance(given, str):
            return Responses({**self.request, "input": turns[0]["content"]})
        said = [_said(item, turn) for item, turn in zip(given, turns, strict=True)]
        return Responses({**self.request, "input": said})

    def is_told(self, event: Json) -> bool:
        """Everything that OpenAI streams is."""
        del event
        return True

    def completion(self, answer: Json) -> Json:
        """OpenAI's response as a chat completion."""
        return chat_completion(answer)

    def reader(self) -> ChunkReader:
        """Reads OpenAI's events."""
        return ResponseReader()

    def answer(self, completion: Json) -> Json:
        """A chat completion as a response."""
        return response(completion, self.request)

    def writer(self) -> EventWriter:
        """Tells a chat completion in OpenAI's events."""
        return ResponseStream(self.request)


def _turn(item: Json) -> Json:
    if "role" in item:
        return {"role": item["role"], "content": item.get("content")}
    is_output = item.get("type") == _OUTPUT
    return {"role": "tool", "content": item.get("output")} if is_output else {"role": "assistant", "content": None}


def _said(item: Json, turn: Json) -> Json:
    if "role" in item:
        return {**item, "content": turn["content"]} if "content" in item else item
    return {**item, "output": turn["content"]} if item.get("type") == _OUTPUT else item
