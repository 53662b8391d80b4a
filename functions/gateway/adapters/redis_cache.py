"""Answers in Redis: strings for the exact tier, a vector index (RediSearch HNSW) for the semantic one.

Every key begins with its tenant, and the index's queries filter on tenant, provider, model and conditions as tags:
no similarity, however great, reaches another tenant's answer.
"""

import logging
import time
from typing import Any

import orjson

from functions.gateway.adapters.redis_link import RedisAway, RedisLink, RedisRefused
from functions.gateway.core.models import CacheControl, CachedAnswer, CacheKey, CacheState, Candidate, Json
from functions.kit.identifiers import new_id

_logger = logging.getLogger(__name__)
_NEIGHBOURS = 3
_QUERY = (
    "(@tenant:{$tenant} @provider:{$provider} @model:{$model} @conditions:{$conditions})"
    f"=>[KNN {_NEIGHBOURS} @vector $vector AS distance]"
)


class RedisAnswerCache:
    """The answer cache on Redis with RediSearch. Redis away means that nothing is known."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._indexes: set[int] = set()

    async def find_exact(self, key: CacheKey, control: CacheControl) -> CachedAnswer | None:
        """The answer to the very same request."""
        try:
            stored = await self._link.execute("GET", _exact(key))
        except (RedisAway, RedisRefused):
            return None
        return _answer(stored, "hit", 1.0, control) if stored else None

    async def find_similar(self, key: CacheKey, vector: bytes, control: CacheControl) -> list[Candidate]:
        """The nearest questions asked under the same conditions, nearest first."""
        dimensions = len(vector) // 4
        try:
            reply = await self._link.execute(*_search(key, vector, dimensions))
        except RedisRefused:
            # The index does not exist yet, or Redis came back empty.
            self._indexes.discard(dimensions)
            return []
        except RedisAway:
            return []
        candidates = []
        for row in reply[2::2]:
            fields = dict(zip(row[::2], row[1::2], strict=True))
            answer = _answer(fields[b"answer"], "semantic", 1.0 - float(fields[b"distance"]), control)
            if answer is not None:
                candidates.append(Candidate(fields[b"question"].decode(), answer))
        return candidates

    async def store(self, key: CacheKey, completion: Json, vector: bytes | None, ttl_seconds: int) -> None:
        """Keep an answer in both tiers."""
        entry = orjson.dumps({"at": time.time(), "completion": completion})
        try:
            await self._link.execute("SET", _exact(key), entry, "EX", ttl_seconds)
            if vector is not None:
                await self._ensure_index(len(vector) // 4)
                await self._store_similar(key, entry, vector, ttl_seconds)
        except (RedisAway, RedisRefused) as error:
            _logger.info("an answer was not cached", extra={"reason": str(error)})

    async def _store_similar(self, key: CacheKey, entry: bytes, vector: bytes, ttl_seconds: int) -> None:
        name = f"t:{key.tenant_id}:cache:similar:{new_id()}"
        fields = {
            "dimensions": len(vector) // 4,
            "tenant": key.tenant_id,
            "provider": key.provider,
            "model": key.model,
            "conditions": key.conditions,
            "question": key.question,
            "answer": entry,
            "vector": vector,
        }
        flat = [part for pair in fields.items() for part in pair]
        # Together: an entry that never expires would be worse than none.
        await self._link.transact(("HSET", name, *flat), ("EXPIRE", name, ttl_seconds))

    async def _ensure_index(self, dimensions: int) -> None:
        if dimensions in self._indexes:
            return
        try:
            await self._link.execute(
                "FT.CREATE", _index(dimensions), "ON", "HASH", "PREFIX", 1, "t:",
                "FILTER", f"@dimensions=={dimensions}",
                "SCHEMA", "tenant", "TAG", "provider", "TAG", "model", "TAG", "CASESENSITIVE", "conditions", "TAG",
                "vector", "VECTOR", "HNSW", 6, "TYPE", "FLOAT32", "DIM", dimensions, "DISTANCE_METRIC", "COSINE",
            )  # fmt: skip
        except RedisRefused as error:
            if "already exists" not in str(error):
                _logger.warning("redis has no vector search; only the exact tier serves", extra={"reason": str(error)})
                return
        self._indexes.add(dimensions)


def _search(key: CacheKey, vector: bytes, dimensions: int) -> tuple[Any, ...]:
    parameters = {
        "tenant": key.tenant_id,
        "provider": key.provider,
        "model": key.model,
        "conditions": key.conditions,
        "vector": vector,
    }
    flat = [part for pair in parameters.items() for part in pair]
    return (
        "FT.SEARCH", _index(dimensions), _QUERY, "PARAMS", len(flat), *flat,
        "SORTBY", "distance", "RETURN", 3, "distance", "question", "answer", "DIALECT", 2,
    )  # fmt: skip


def _index(dimensions: int) -> str:
    return f"semantic-cache:{dimensions}"


def _exact(key: CacheKey) -> str:
    return f"t:{key.tenant_id}:cache:exact:{key.provider}:{key.exact}"


def _answer(stored: bytes, state: CacheState, similarity: float, control: CacheControl) -> CachedAnswer | None:
    entry = orjson.loads(stored)
    age = max(0, round(time.time() - entry["at"]))
    if control.max_age_seconds is not None and age > control.max_age_seconds:
        return None
    return CachedAnswer(entry["completion"], state, similarity, age)
