"""What the gateway needs from the outside."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from functions.gateway.core.models import CacheControl, CachedAnswer, CacheKey, Candidate, Json, Provider, Target, Usage
from functions.kit.subjects import UsageRecord


class ProviderDirectory(Protocol):
    """The tenants' provider configurations."""

    async def providers(self, tenant_id: str) -> tuple[Provider, ...]:
        """A tenant's providers in the order it listed them.

        Raises:
            DependencyUnavailable: the database is away and the tenant's providers are not known from before.
        """
        ...


class ChatWire(Protocol):
    """How to speak to one kind of provider. Errors are the gateway's own (core/errors.py)."""

    async def complete(self, target: Target, body: Json) -> Json:
        """A whole completion, as OpenAI's object."""
        ...

    def stream(self, target: Target, body: Json) -> AbstractAsyncContextManager[AsyncIterator[Json]]:
        """A stream of completion chunks, as OpenAI's objects, open once the provider has accepted the request."""
        ...

    async def embed(self, target: Target, body: Json) -> Json:
        """Embeddings, as OpenAI's object."""
        ...


class AnswerCache(Protocol):
    """Answers given before. Never raises because its store is away: it then knows nothing."""

    async def find_exact(self, key: CacheKey, control: CacheControl) -> CachedAnswer | None:
        """The answer to the very same request."""
        ...

    async def find_similar(self, key: CacheKey, vector: bytes, control: CacheControl) -> list[Candidate]:
        """The nearest questions asked under the same conditions, nearest first."""
        ...

    async def store(self, key: CacheKey, completion: Json, vector: bytes | None, ttl_seconds: int) -> None:
        """Keep an answer."""
        ...


class Meter(Protocol):
    """Records what was used. Never loses a record it accepted, and never raises for it."""

    async def settle(self, record: UsageRecord) -> None:
        """Count one call."""
        ...


class Prices(Protocol):
    """The price table."""

    def cost_micro_usd(self, kind: str, model: str, usage: Usage) -> int:
        """What a call cost, in millionths of a dollar."""
        ...
