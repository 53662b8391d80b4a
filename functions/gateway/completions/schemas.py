"""The request of POST /v1/completions, checked only where the gateway itself relies on it."""

from typing import Annotated

from pydantic import Field

from functions.gateway.bodies import RequestBody
from functions.gateway.chat.schemas import StreamOptions

Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Several = Field(min_length=1, max_length=2048)


class CompletionRequest(RequestBody):
    """OpenAI's legacy completion request."""

    model: str = Field(min_length=1, max_length=256, description="`provider/model`, or a model that a provider lists.")
    prompt: str | Annotated[list[str], Several] | Tokens | Annotated[list[Tokens], Several]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=0)
    n: int | None = Field(None, ge=1, le=128)
    best_of: int | None = Field(None, ge=0, le=20)
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: bool | None = None
    suffix: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
