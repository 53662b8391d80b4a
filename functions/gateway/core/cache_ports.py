"""What the cache's own use cases need from the outside, and what tells the cache that answers have become wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from functions.gateway.core.learning import Observation
from functions.gateway.core.models import Learned


@dataclass(frozen=True, slots=True)
class CacheTotals:
    """What a tenant's cache holds and did.

    Attributes:
        counted: `bytes`, `hit`, `semantic`, `miss`, `savedTokens`, `savedMicroUsd`, `evicted`, `right`, `wrong`.
        learned: the tenant's threshold, where anything was learned.
    """

    entries: int
    counted: Mapping[str, int]
    learned: Learned | None


@dataclass(frozen=True, slots=True)
class Given:
    """An entry as it was given to a request.

    Attributes:
        similarity: None when the request was the very same.
    """

    entry_id: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is remembered of hits, after another was observed.

    Attributes:
        version: how many were ever observed of the tenant's.
    """

    version: int
    tenants: Sequence[Observation]
    entrys: Sequence[Observation]


class CacheBook(Protocol):
    """A tenant's cache from the outside. Raises DependencyUnavailable when its store is away."""

    async def totals(self, tenant_id: str) -> CacheTotals:
        """What it holds and did."""
        ...

    async def flush(self, tenant_id: str, provider: str, model: str) -> int:
        """Drop entries of a provider and model, empty for any; how many there were."""
        ...


class CacheMemory(Protocol):
    """What was observed of hits, and learned from it. Raises DependencyUnavailable when its store is away."""

    async def given(self, tenant_id: str, request_id: str) -> Given | None:
        """What a request was given; once only."""
        ...

    async def holds(self, tenant_id: str, entry_id: str) -> bool:
        """Whether there is such an entry."""
        ...

    async def observe(self, tenant_id: str, given: Given, *, right: bool, evict: bool) -> Observed:
        """Add what was observed of an entry, and drop it where asked."""
        ...

    async def learn(
        self, tenant_id: str, entry_id: str, observed: Observed, start: float, *, tenants: float, entrys: float
    ) -> None:
        """Keep the thresholds that follow from observations, unless later ones have been kept already."""
        ...


class Invalidation(Protocol):
    """Seam: what tells the cache that answers have become wrong, such as a document that changed. docs/cache.md."""

    async def invalidate(self, tenant_id: str, *, provider: str = "", model: str = "") -> int:
        """Drop the entries of a provider and model, empty for any; how many there were."""
        ...
