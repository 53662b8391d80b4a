"""The request of POST /v1/responses, checked only where the gateway itself relies on it."""

from typing import Annotated, Any

from pydantic import Field

from functions.gateway.bodies import RequestBody


class ResponsesRequest(RequestBody):
    """OpenAI's request for a response. Nothing is kept: `input` is the whole conversation."""

    model: str = Field(min_length=1, max_length=256, description="`provider/model`, or a model that a provider lists.")
    input: str | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    instructions: str | None = None
    stream: bool | None = None
    tools: list[dict[str, Any]] | None = None
    max_output_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
