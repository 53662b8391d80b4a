"""Usage on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from functions.kit.models import ApiModel


class UsageItem(ApiModel):
    """What was used of one model in one day or hour. Embedding models have items of their own."""

    start: Annotated[datetime, Field(alias="from", description="Beginning of the day or hour, UTC.")]
    provider: str
    model: str
    requests: Annotated[int, Field(description="All calls, cached ones included.")]
    prompt_tokens: int
    completion_tokens: int
    cached_requests: Annotated[int, Field(description="Calls that the cache answered.")]
    saved_tokens: Annotated[int, Field(description="Tokens those would have taken.")]
    cost_micro_usd: Annotated[int, Field(description="Millionths of a US dollar.")]
