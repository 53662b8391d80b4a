"""The request of POST /v1/chat/completions, checked only where the gateway itself relies on it.

The rest is the provider's to check: a new field of a provider works here on the day it appears.
"""

from typing import Any, Literal

from pydantic import Field

from functions.gateway.bodies import RequestBody


class ChatMessage(RequestBody):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(RequestBody):
    """How a stream is to be told."""

    include_usage: bool = False


class ChatCompletionRequest(RequestBody):
    """OpenAI's chat completion request."""

    model: str = Field(min_length=1, max_length=256, description="`provider/model`, or a model that a provider lists.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=10_000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=128)
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
