"""What a tenant's cache holds and did, what was learned of it, and its removal, in Redis."""

import hashlib
from typing import Any

from functions.gateway.adapters.cache_scripts import FLUSH, LEARN, OBSERVE, OVERVIEW
from functions.gateway.adapters.redis_cache import ANSWERS, base, learned_of
from functions.gateway.adapters.redis_link import RedisAway, RedisLink, RedisRefused, Script
from functions.gateway.core.cache_ports import CacheTotals, Given, Observed
from functions.gateway.core.learning import Observation
from functions.kit.errors import DependencyUnavailable

_MOST_OF_TENANT = 256
_MOST_OF_ENTRY = 64
_REMEMBERED_SECONDS = 90 * 86_400


class RedisCacheBook:
    """Ports `CacheBook` and `CacheMemory`.

    Every method raises DependencyUnavailable when Redis is away.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def totals(self, tenant_id: str) -> CacheTotals:
        """What the cache holds and did."""
        entries, flat, learned = await self._run(OVERVIEW, tenant_id, [])
        counted = {name.decode(): int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
        return CacheTotals(entries, counted, learned_of(learned))

    async def flush(self, tenant_id: str, provider: str, model: str) -> int:
        """Drop entries; how many there were."""
        cursor, dropped = b"0", 0
        while True:
            cursor, count = await self._run(FLUSH, tenant_id, [cursor, provider, model])
            dropped += int(count)
            if cursor == b"0":
                return dropped

    async def given(self, tenant_id: str, request_id: str) -> Given | None:
        """What a request was given from the cache; once only, so that nothing is reported twice."""
        name = f"{base(tenant_id)}hit:{hashlib.sha256(request_id.encode()).hexdigest()[:32]}"
        try:
            stored = await self._link.execute("GETDEL", name)
        except (RedisAway, RedisRefused) as error:
            raise _away() from error
        if not stored:
            return None
        entry_id, _, similarity = stored.decode().partition(" ")
        return Given(entry_id, float(similarity) if similarity else None)

    async def holds(self, tenant_id: str, entry_id: str) -> bool:
        """Whether there is such an entry."""
        names = (f"{ANSWERS}{base(tenant_id)}{entry_id}", f"{base(tenant_id)}plain:{entry_id}")
        try:
            return bool(await self._link.execute("EXISTS", *names))
        except (RedisAway, RedisRefused) as error:
            raise _away() from error

    async def observe(self, tenant_id: str, given: Given, *, right: bool, evict: bool) -> Observed:
        """Add what was observed of an entry."""
        similarity = "" if given.similarity is None else f"{given.similarity:.6f}"
        arguments = [given.entry_id, similarity, int(right), int(evict), _MOST_OF_TENANT, _MOST_OF_ENTRY]
        version, tenants, entrys = await self._run(OBSERVE, tenant_id, [*arguments, _REMEMBERED_SECONDS])
        return Observed(version, [_observation(line) for line in tenants], [_observation(line) for line in entrys])

    async def learn(
        self, tenant_id: str, entry_id: str, observed: Observed, start: float, *, tenants: float, entrys: float
    ) -> None:
        """Keep the thresholds that follow from observations, unless later ones have been kept already."""
        arguments = [entry_id, observed.version, start, tenants, entrys, _REMEMBERED_SECONDS]
        await self._run(LEARN, tenant_id, arguments)

    async def _run(self, script: Script, tenant_id: str, arguments: list[Any]) -> Any:
        try:
            return await script.run(self._link, [base(tenant_id)], arguments)
        except (RedisAway, RedisRefused) as error:
            raise _away() from error


def _observation(line: bytes) -> Observation:
    similarity, _, verdict = line.partition(b" ")
    return float(similarity), verdict == b"1"


def _away() -> DependencyUnavailable:
    return DependencyUnavailable("the cache cannot be reached", details={"dependency": "redis"})
