"""A tenant's cache on the wire."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from functions.gateway.core.cache_ports import CacheTotals
from functions.gateway.core.semantic_cache import least_similarity
from functions.kit.models import ApiModel
from functions.kit.settings import TenantSettings

CacheId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="The answer's `x-dcoder-cache-id`.")]
RequestId = Annotated[str, Field(min_length=1, max_length=200, description="The answer's `x-request-id`.")]


class FeedbackBody(ApiModel):
    """A verdict on an answer from the cache: by its request for a day, by its id for as long as it is kept."""

    request_id: RequestId | None = None
    cache_id: CacheId | None = None
    wrong: bool

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.request_id is None and self.cache_id is None:
            raise ValueError("name the answer by requestId or cacheId")
        return self


class Feedback(ApiModel):
    """What was reported, and what became of it."""

    cache_id: str
    similarity: Annotated[float | None, Field(description="Null where the request was the very same.")]
    evicted: bool


class Hits(ApiModel):
    """Calls by what the cache could do for them."""

    hit: int
    semantic: int
    miss: int


class Reports(ApiModel):
    """Verdicts of callers, and of comparisons where the tenant has them made."""

    right: int
    wrong: int


class Threshold(ApiModel):
    """How alike a question must be where nothing else was learned of the single entry."""

    setting: float
    learned: Annotated[float | None, Field(description="Null where nothing was learned under this setting.")]
    in_force: Annotated[float, Field(description="More than 1 where only the very same request is answered.")]


class CacheOverview(ApiModel):
    """What a tenant's cache holds, and what it did since the tenant began; some seconds behind the calls."""

    entries: int
    bytes: int
    evicted: int
    hits: Hits
    hit_rate: Annotated[float, Field(description="Hits of both tiers among all calls that might have been hits.")]
    saved_tokens: int
    saved_micro_usd: int
    reports: Reports
    threshold: Threshold

    @classmethod
    def of(cls, totals: CacheTotals, settings: TenantSettings) -> "CacheOverview":
        """From what was counted."""
        counted = totals.counted
        hits = Hits(**{tier: counted.get(tier, 0) for tier in ("hit", "semantic", "miss")})
        asked = hits.hit + hits.semantic + hits.miss
        in_force = least_similarity(settings, totals.learned)
        learned = totals.learned is not None and totals.learned.start == settings.cache_similarity
        return cls(
            entries=totals.entries,
            bytes=counted.get("bytes", 0),
            evicted=counted.get("evicted", 0),
            hits=hits,
            hit_rate=(hits.hit + hits.semantic) / asked if asked else 0.0,
            saved_tokens=counted.get("savedTokens", 0),
            saved_micro_usd=counted.get("savedMicroUsd", 0),
            reports=Reports(right=counted.get("right", 0), wrong=counted.get("wrong", 0)),
            threshold=Threshold(
                setting=settings.cache_similarity, learned=in_force if learned else None, in_force=in_force
            ),
        )


class Flushed(ApiModel):
    """How many answers were dropped."""

    dropped: int
