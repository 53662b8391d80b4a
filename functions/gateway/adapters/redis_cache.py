"""Answers in Redis: a hash for each, found by its name in the exact tier, by a vector index (RediSearch) in the other.

Every key begins with its tenant, behind what tells answers from all else. The index is asked for the tenant and for a
scope, a digest of provider, model, conditions and embedding model. A digest has no separators, no case and nothing that
a query could take for its own, so no name, however hostile, and no similarity, however great, reaches an answer that is
not in exactly this scope.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any

import orjson

from functions.gateway.adapters.cache_scripts import FIND, LAND, NOTE, STORE
from functions.gateway.adapters.redis_link import (
    Owed,
    RedisAway,
    RedisLink,
    RedisRefused,
    is_refusal,
    written,
    written_bytes,
    written_number,
)
from functions.gateway.core.models import (
    CacheControl,
    CachedAnswer,
    CacheKey,
    CachePolicy,
    CacheState,
    Candidate,
    Found,
    Json,
    Learned,
    QuestionVector,
)  # fmt: skip

_logger = logging.getLogger(__name__)
# What the keys of answers with a vector begin with, and no others: RediSearch looks at every hash that an index might
# have.
ANSWERS = "answer:"
_NEIGHBOURS = 3
_SCOPE = "(@tenant:{$tenant} @scope:{$scope})"
# Left to itself, RediSearch compares all of a scope with the question, which is right for small ones alone.
_LARGE_SCOPE = 1_000
_COUNTED_EVERY = 32
_MOST_SCOPES = 4_096
_HIT_SECONDS = 86_400
_NOTE_SECONDS = 1.0
_FULLEST = 0.8
# Parts that `FIND` is given.
_LOOK_LENGTH = 5
# Parts that `STORE` is given, but for what the other tier needs.
_STORE_LENGTH = 13
# Of what a hash and its bookkeeping take besides the fields themselves.
_OVERHEAD_BYTES = 600


class RedisAnswerCache:
    """Port `AnswerCache` on Redis with RediSearch. Redis away means that nothing is known.

    Args:
        lease_seconds: how long one process may ask a provider while others wait for its answer.
    """

    def __init__(self, link: RedisLink, *, lease_seconds: float = 30.0) -> None:
        self._link = link
        self._lease_ms = written(round(lease_seconds * 1000))
        self._indexes: set[int] = set()
        self._scopes: dict[str, int] = {}
        self._searches = 0
        self._is_full = False
        self._noted: dict[str, tuple[dict[str, int], dict[str, None]]] = {}
        self._owed = Owed(link)

    def begin_exact(self, key: CacheKey, token: str = "") -> "asyncio.Future[Any] | None":
        """Look now for what `find_exact` will be asked for."""
        return FIND.begin(self._link, _LOOK_LENGTH, self._sought(key, token))

    async def find_exact(
        self, key: CacheKey, control: CacheControl, token: str = "", begun: "asyncio.Future[Any] | None" = None
    ) -> Found:
        """The answer to the very same request, and otherwise who asks for it."""
        if begun is None:
            begun = self.begin_exact(key, token)
        try:
            reply = None if begun is None else await begun
            if reply is None or is_refusal(reply):
                reply = await FIND.result(self._link, _LOOK_LENGTH, self._sought(key, token))
        except RedisAway:
            # A Redis that hangs runs what it was sent all the same, once it goes on.
            return Found(is_mine=begun is not None and token != "")
        except RedisRefused:
            return Found()
        if isinstance(reply, int):
            return Found(is_mine=reply == 1, is_theirs=reply == 2)
        return Found(_answer(key.exact, reply, "hit", 1.0, control))

    def _sought(self, key: CacheKey, token: str) -> bytes:
        lease = self._lease_ms if token else written_number(0)
        return b"%b%b%b" % (_of_tenant(key.tenant_id), written(key.exact, token), lease)

    async def land(self, key: CacheKey, token: str) -> None:
        """Let others ask: now, or as soon as Redis is back."""
        await self._owed.run(LAND, [base(key.tenant_id)], [key.exact, token])

    async def find_similar(
        self, key: CacheKey, vector: QuestionVector, control: CacheControl
    ) -> tuple[list[Candidate], Learned | None]:
        """The nearest questions asked in the same scope, nearest first, and what was learned of the tenant's."""
        # Both are on their way before either is waited for.
        learned = asyncio.ensure_future(self._learned(key.tenant_id))
        scope = _scope(key, vector)
        counting = self._counting(key, vector, scope)
        try:
            is_large = self._scopes.get(scope, 0) >= _LARGE_SCOPE
            reply = await self._link.execute(*_search(key, vector, scope, is_large=is_large))
        except RedisRefused:
            # The index does not exist yet, or Redis came back empty.
            self._indexes.discard(vector.dimensions)
            reply = [0]
        except RedisAway:
            reply = [0]
        candidates = []
        for name, row in zip(reply[1::2], reply[2::2], strict=True):
            if row is None:
                # It has expired since the index knew it, or before Redis took it out.
                continue
            fields = dict(zip(row[::2], row[1::2], strict=True))
            if fields.get(b"scope") != scope.encode() or not name.startswith(
                f"{ANSWERS}{base(key.tenant_id)}".encode()
            ):
                continue
            similarity = 1.0 - float(fields[b"distance"])
            answer = _answer(name.rpartition(b":")[2].decode(), fields[b"answer"], "semantic", similarity, control)
            if answer is not None:
                candidates.append(Candidate(fields[b"question"].decode(), answer, learned_of(fields.get(b"learned"))))
        if counting is not None:
            await counting
        return candidates, await learned

    def store(
        self, key: CacheKey, completion: Json, vector: QuestionVector | None, policy: CachePolicy
    ) -> Coroutine[Any, Any, bool]:
        """Keep an answer in both tiers, within the tenant's room, and let others have it.

        For the exact tier alone it is sent now, and waited for later.

        Returns:
            whether Redis has it, or had no room for it and let others ask.
        """
        try:
            entry = orjson.dumps({"at": time.time(), "completion": completion})
        except orjson.JSONEncodeError as error:
            # A provider's answer may be nested deeper than can be written.
            return _not_kept(error)
        size = len(entry) + len(key.question) + (len(vector.data) if vector else 0) + _OVERHEAD_BYTES
        told = [_of_tenant(key.tenant_id), written_bytes(key.exact.encode()), _of_policy(policy)]
        told += written_number(size), _of_model(key.provider, key.model), written_bytes(entry)
        parts = b"".join(told)
        is_ready = vector is None and not self._is_full
        return self._keep(key, vector, parts, STORE.begin(self._link, _STORE_LENGTH, parts) if is_ready else None)

    async def _keep(
        self, key: CacheKey, vector: QuestionVector | None, parts: bytes, begun: "asyncio.Future[Any] | None"
    ) -> bool:
        if self._is_full and begun is None:
            _logger.warning("redis has no room left for answers")
            return False
        fields: tuple[Any, ...] = ()
        try:
            if vector is not None and await self._ensure_index(vector.dimensions):
                fields = (
                    "dimensions", vector.dimensions, "tenant", key.tenant_id, "scope", _scope(key, vector),
                    "question", key.question, "vector", vector.data,
                )  # fmt: skip
            await STORE.result(self._link, _STORE_LENGTH + len(fields), parts + written(*fields), begun)
        except (RedisAway, RedisRefused) as error:
            return await _not_kept(error)
        return True

    async def remember_hit(self, key: CacheKey, request_id: str, answer: CachedAnswer) -> None:
        """Keep for a day which answer a request was given, so that it can be reported."""
        name = f"{base(key.tenant_id)}hit:{hashlib.sha256(request_id.encode()).hexdigest()[:32]}"
        similarity = f"{answer.similarity:.6f}" if answer.state == "semantic" else ""
        try:
            await self._link.execute("SET", name, f"{answer.entry_id} {similarity}", "EX", _HIT_SECONDS)
        except (RedisAway, RedisRefused) as error:
            _logger.info("a hit cannot be reported later", extra={"reason": str(error)})

    def note(self, tenant_id: str, counted: dict[str, int], entry_id: str | None = None) -> None:
        """Count what the cache did; written together once a second, so a process that dies loses a second of it."""
        noted = self._noted.get(tenant_id)
        if noted is None:
            noted = self._noted[tenant_id] = ({}, {})
        counts, given = noted
        for name, amount in counted.items():
            counts[name] = counts.get(name, 0) + amount
        if entry_id is not None:
            given[entry_id] = None

    async def keep(self) -> None:
        """Write what was counted, and do what Redis was away for. Runs until cancelled, and then writes once more."""
        try:
            while True:
                await asyncio.sleep(_NOTE_SECONDS)
                await self._owed.catch_up()
                await self._write()
                await self._look_for_room()
        finally:
            await self._write()

    async def _write(self) -> None:
        noted, self._noted = self._noted, {}
        for tenant_id, (counts, given) in noted.items():
            flat = [part for pair in counts.items() for part in pair]
            try:
                await NOTE.run(self._link, [base(tenant_id)], [len(counts), *flat, *list(given)[-2000:]])
            except (RedisAway, RedisRefused) as error:
                _logger.info("what the cache did was not counted", extra={"reason": str(error)})

    async def _look_for_room(self) -> None:
        """Keep no more answers when Redis is nearly full: what counts calls needs the rest of it."""
        try:
            reply: bytes = await self._link.execute("INFO", "memory")
        except (RedisAway, RedisRefused):
            return
        told = dict(line.split(b":", 1) for line in reply.splitlines() if b":" in line)
        most = int(told.get(b"maxmemory", 0))
        self._is_full = most > 0 and int(told.get(b"used_memory", 0)) > _FULLEST * most

    def _counting(self, key: CacheKey, vector: QuestionVector, scope: str) -> "asyncio.Task[None] | None":
        """Find out how large the scope is, beside the search, at first and now and then."""
        self._searches += 1
        if scope in self._scopes and self._searches % _COUNTED_EVERY:
            return None
        return asyncio.create_task(self._count(key, vector, scope), name="cache-scope")

    async def _count(self, key: CacheKey, vector: QuestionVector, scope: str) -> None:
        try:
            reply = await self._link.execute(
                "FT.SEARCH", _index(vector.dimensions), _SCOPE,
                "PARAMS", 4, "tenant", key.tenant_id, "scope", scope, "LIMIT", 0, 0, "DIALECT", 2,
            )  # fmt: skip
        except (RedisAway, RedisRefused):
            return
        if len(self._scopes) >= _MOST_SCOPES:
            self._scopes.clear()
        self._scopes[scope] = int(reply[0])

    async def _learned(self, tenant_id: str) -> Learned | None:
        try:
            return learned_of(await self._link.execute("GET", f"{base(tenant_id)}learned"))
        except (RedisAway, RedisRefused):
            return None

    async def _ensure_index(self, dimensions: int) -> bool:
        if dimensions in self._indexes:
            return True
        try:
            await self._link.execute(
                "FT.CREATE", _index(dimensions), "ON", "HASH", "PREFIX", 1, ANSWERS,
                "FILTER", f"@dimensions=={dimensions}",
                "SCHEMA", "tenant", "TAG", "CASESENSITIVE", "scope", "TAG", "CASESENSITIVE",
                "vector", "VECTOR", "HNSW", 6, "TYPE", "FLOAT32", "DIM", dimensions, "DISTANCE_METRIC", "COSINE",
            )  # fmt: skip
        except RedisRefused as error:
            if "already exists" not in str(error):
                _logger.warning("redis has no vector search; only the exact tier serves", extra={"reason": str(error)})
                return False
        self._indexes.add(dimensions)
        return True


async def _not_kept(error: Exception) -> bool:
    _logger.info("an answer was not cached", extra={"reason": str(error)})
    return False


def base(tenant_id: str) -> str:
    """What all keys of a tenant's cache begin with."""
    return f"t:{tenant_id}:cache:"


@lru_cache(maxsize=4096)
def _of_tenant(tenant_id: str) -> bytes:
    """As it goes over the wire: the number of a script's keys, and the one that it has."""
    return written(1, base(tenant_id))


@lru_cache(maxsize=4096)
def _of_policy(policy: CachePolicy) -> bytes:
    return written(policy.ttl_seconds, policy.max_entries, policy.max_bytes)


@lru_cache(maxsize=4096)
def _of_model(provider: str, model: str) -> bytes:
    """The fields that all answers of a model have, and the name of the one that follows."""
    return written("provider", provider, "model", model, "answer")


def learned_of(stored: bytes | None) -> Learned | None:
    """What the scripts keep as `version start threshold`."""
    if not stored:
        return None
    _, start, threshold = stored.split()
    return Learned(float(start), float(threshold))


def _search(key: CacheKey, vector: QuestionVector, scope: str, *, is_large: bool) -> tuple[Any, ...]:
    policy = "BATCHES" if is_large else "ADHOC_BF"
    query = f"{_SCOPE}=>[KNN {_NEIGHBOURS} @vector $vector HYBRID_POLICY {policy} AS distance]"
    parameters = {"tenant": key.tenant_id, "scope": scope, "vector": vector.data}
    flat = [part for pair in parameters.items() for part in pair]
    return (
        "FT.SEARCH", _index(vector.dimensions), query, "PARAMS", len(flat), *flat,
        "SORTBY", "distance", "RETURN", 5, "distance", "question", "answer", "scope", "learned", "DIALECT", 2,
    )  # fmt: skip


def _scope(key: CacheKey, vector: QuestionVector) -> str:
    parts = [key.tenant_id, key.provider, key.model, key.conditions, vector.model]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _index(dimensions: int) -> str:
    return f"cached:{dimensions}"


def _answer(
    entry_id: str, stored: bytes, state: CacheState, similarity: float, control: CacheControl
) -> CachedAnswer | None:
    entry = orjson.loads(stored)
    age = max(0, round(time.time() - entry["at"]))
    if control.max_age_seconds is not None and age > control.max_age_seconds:
        return None
    return CachedAnswer(entry["completion"], state, similarity, age, entry_id)
