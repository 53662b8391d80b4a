"""Answers in Redis: strings for the exact tier, a vector index (RediSearch HNSW) for the semantic one.

Every key begins with its tenant, and the index's queries filter on tenant, provider, model and conditions as tags:
no similarity, however great, reaches another tenant's answer.
"""

import logging
import time
from typing import Any

import orjson
import redis.asyncio
from redis.exceptions import ResponseError

from functions.gateway.adapters.redis_breaker import RedisAway, RedisBreaker
from functions.gateway.core.models import CacheControl, CachedAnswer, CacheKey, Candidate, Json
from functions.kit.identifiers import new_id

_logger = logging.getLogger(__name__)
_NEIGHBOURS = 3
_QUERY = (
    "(@tenant:{$tenant} @provider:{$provider} @model:{$model} @conditions:{$conditions})"
    f"=>[KNN {_NEIGHBOURS} @vector $vector AS distance]"
)


class RedisAnswerCache:
    """The answer cache on Redis with RediSearch. Redis away means that nothing is known."""

    def __init__(self, client: "redis.asyncio.Redis", breaker: RedisBreaker) -> None:
        self._redis = client
        self._breaker = breaker
        self._indexes: set[int] = set()

    async def find_exact(self, key: CacheKey, control: CacheControl) -> CachedAnswer | None:
        """The answer to the very same request."""
        if self._breaker.is_open:
            return None
        try:
            stored: bytes | None = await self._breaker.run(self._command("GET", _exact(key)))
        except RedisAway:
            return None
        return _answer(stored, "hit", 1.0, control) if stored else None

    async def find_similar(self, key: CacheKey, vector: bytes, control: CacheControl) -> list[Candidate]:
        """The nearest questions asked under the same conditions, nearest first."""
        if self._breaker.is_open:
            return []
        try:
            found = await self._search(key, vector)
        except RedisAway:
            return []
        candidates = []
        for fields in found:
            similarity = 1.0 - float(fields[b"distance"])
            answer = _answer(fields[b"answer"], "semantic", similarity, control)
            if answer is not None:
                candidates.append(Candidate(fields[b"question"].decode(), answer))
        return candidates

    async def store(self, key: CacheKey, completion: Json, vector: bytes | None, ttl_seconds: int) -> None:
        """Keep an answer in both tiers."""
        if self._breaker.is_open:
            return
        entry = orjson.dumps({"at": time.time(), "completion": completion})
        try:
            await self._breaker.run(self._redis.set(_exact(key), entry, ex=ttl_seconds))
            if vector is not None:
                await self._ensure_index(len(vector) // 4)
                await self._breaker.run(self._store_similar(key, entry, vector, ttl_seconds))
        except RedisAway:
            _logger.info("an answer was not cached: redis is away")

    async def _store_similar(self, key: CacheKey, entry: bytes, vector: bytes, ttl_seconds: int) -> None:
        name = f"t:{key.tenant_id}:cache:similar:{new_id()}"
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(
                name,
                mapping={
                    "dimensions": len(vector) // 4,
                    "tenant": key.tenant_id,
                    "provider": key.provider,
                    "model": key.model,
                    "conditions": key.conditions,
                    "question": key.question,
                    "answer": entry,
                    "vector": vector,
                },
            )
            pipeline.expire(name, ttl_seconds)
            await pipeline.execute()

    async def _search(self, key: CacheKey, vector: bytes) -> list[dict[bytes, bytes]]:
        parameters: dict[str, Any] = {
            "tenant": key.tenant_id,
            "provider": key.provider,
            "model": key.model,
            "conditions": key.conditions,
            "vector": vector,
        }
        flat = [part for pair in parameters.items() for part in pair]
        command = (
            "FT.SEARCH", _index(len(vector) // 4), _QUERY, "PARAMS", len(flat), *flat,
            "SORTBY", "distance", "RETURN", 3, "distance", "question", "answer", "DIALECT", 2,
        )  # fmt: skip
        try:
            reply = await self._breaker.run(self._command(*command))
        except ResponseError:
            # The index does not exist yet, or Redis came back empty.
            self._indexes.discard(len(vector) // 4)
            return []
        return [dict(zip(row[::2], row[1::2], strict=True)) for row in reply[2::2]]

    async def _command(self, *parts: Any) -> Any:
        return await self._redis.execute_command(*parts)  # type: ignore[no-untyped-call]

    async def _ensure_index(self, dimensions: int) -> None:
        if dimensions in self._indexes:
            return
        command = (
            "FT.CREATE", _index(dimensions), "ON", "HASH", "PREFIX", 1, "t:", "FILTER", f"@dimensions=={dimensions}",
            "SCHEMA", "tenant", "TAG", "provider", "TAG", "model", "TAG", "CASESENSITIVE", "conditions", "TAG",
            "vector", "VECTOR", "HNSW", 6, "TYPE", "FLOAT32", "DIM", dimensions, "DISTANCE_METRIC", "COSINE",
        )  # fmt: skip
        try:
            await self._breaker.run(self._command(*command))
        except ResponseError as error:
            if "already exists" not in str(error):
                _logger.warning("redis has no vector search; only the exact tier serves", extra={"reason": str(error)})
                return
        self._indexes.add(dimensions)


def _index(dimensions: int) -> str:
    return f"semantic-cache:{dimensions}"


def _exact(key: CacheKey) -> str:
    return f"t:{key.tenant_id}:cache:exact:{key.provider}:{key.exact}"


def _answer(stored: bytes, state: Any, similarity: float, control: CacheControl) -> CachedAnswer | None:
    entry = orjson.loads(stored)
    age = max(0, round(time.time() - entry["at"]))
    if control.max_age_seconds is not None and age > control.max_age_seconds:
        return None
    return CachedAnswer(entry["completion"], state, similarity, age)
