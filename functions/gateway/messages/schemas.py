"""The requests of POST /v1/messages and /v1/messages/count_tokens, checked only where the gateway relies on it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="allow")

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class CountTokensRequest(BaseModel):
    """Anthropic's request to count the tokens of messages."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=256, description="`provider/model`, or a model that a provider lists.")
    messages: list[Message] = Field(min_length=1, max_length=10_000)
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None


class MessagesRequest(CountTokensRequest):
    """Anthropic's request for a message."""

    max_tokens: int = Field(ge=1)
    stream: bool | None = None
