"""The requests of POST /v1/messages and /v1/messages/count_tokens, checked only where the gateway relies on it."""

from typing import Any, Literal

from pydantic import Field

from functions.gateway.bodies import RequestBody


class Message(RequestBody):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class CountTokensRequest(RequestBody):
    """Anthropic's request to count the tokens of messages."""

    model: str = Field(min_length=1, max_length=256, description="`provider/model`, or a model that a provider lists.")
    messages: list[Message] = Field(min_length=1, max_length=10_000)
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None


class MessagesRequest(CountTokensRequest):
    """Anthropic's request for a message."""

    max_tokens: int = Field(ge=0, description="0 has Anthropic keep the prompt in its cache and say nothing.")
    stream: bool | None = None
