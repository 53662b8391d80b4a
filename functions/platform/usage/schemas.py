"""Usage on the wire."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from functions.kit.models import ApiModel
from functions.platform.core.models import UsageGroup, UsageTotal

_KEYS: Final[dict[UsageGroup, tuple[str, ...]]] = {
    "model": ("provider", "model"),
    "provider": ("provider",),
    "user": ("user_id",),
    "apiKey": ("api_key_id",),
    "group": ("group_id",),
    "cached": ("cached",),
    "operation": ("operation",),
}


class UsageItem(ApiModel):
    """What was used by a part of the calls in one hour, day or month. Of the fields that say which part, only those are
    there that usage is grouped by; null stands for calls that have none."""  # noqa: D205, D209

    start: Annotated[datetime, Field(alias="from", description="Beginning of the hour, day or month, UTC.")]
    provider: str | None = None
    model: str | None = None
    user_id: str | None = None
    api_key_id: str | None = None
    group_id: str | None = None
    cached: Literal["miss", "hit", "semantic"] | None = None
    operation: Literal["chat", "embeddings"] | None = None
    requests: Annotated[int, Field(description="All calls, cached ones included.")]
    prompt_tokens: int
    cached_prompt_tokens: Annotated[int, Field(description="Of those, what the provider's own prompt cache had.")]
    cache_write_tokens: Annotated[int, Field(description="Of those, what the provider's prompt cache kept.")]
    completion_tokens: int
    reasoning_tokens: Annotated[int, Field(description="Of those, the model's thoughts.")]
    cached_requests: Annotated[int, Field(description="Calls that the cache answered.")]
    saved_tokens: Annotated[int, Field(description="Tokens those would have taken.")]
    compression_saved_tokens: Annotated[int, Field(description="Tokens that prompts lost to compression.")]
    cost_micro_usd: Annotated[int, Field(description="Millionths of a US dollar.")]

    @classmethod
    def of(cls, total: UsageTotal, group_by: UsageGroup) -> "UsageItem":
        """From what the use case gives."""
        part: dict[str, Any] = {name: value or None for name, value in zip(_KEYS[group_by], total.key, strict=False)}
        return cls(
            start=total.start,
            **part,
            requests=total.requests,
            prompt_tokens=total.prompt_tokens,
            cached_prompt_tokens=total.cached_prompt_tokens,
            cache_write_tokens=total.cache_write_tokens,
            completion_tokens=total.completion_tokens,
            reasoning_tokens=total.reasoning_tokens,
            cached_requests=total.cached_requests,
            saved_tokens=total.saved_tokens,
            compression_saved_tokens=total.compression_saved_tokens,
            cost_micro_usd=total.cost_micro_usd,
        )
