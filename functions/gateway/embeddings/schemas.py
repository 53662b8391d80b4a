"""The request of POST /v1/embeddings."""

from typing import Annotated, Literal

from pydantic import Field

from functions.gateway.bodies import RequestBody

Text = Annotated[str, Field(min_length=1)]

Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class EmbeddingsRequest(RequestBody):
    """OpenAI's embeddings request."""

    model: str = Field(min_length=1, max_length=256, description="`provider/model`, or a model that a provider lists.")
    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=16_384)]
        | Tokens
        | Annotated[list[Tokens], Field(min_length=1, max_length=16_384)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1)
