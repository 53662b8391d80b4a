"""What becomes of a report that an answer from the cache was right or wrong."""

from functions.gateway.core.cache_ports import CacheMemory, Given
from functions.gateway.core.errors import CachedAnswerNotFound
from functions.gateway.core.learning import Bounds, learned_threshold
from functions.kit.settings import TenantSettings


class CacheFeedback:
    """Learns from reports and comparisons how alike questions must be."""

    def __init__(self, memory: CacheMemory) -> None:
        self._memory = memory

    async def report(
        self, tenant_id: str, settings: TenantSettings, *, wrong: bool, request_id: str = "", cache_id: str = ""
    ) -> Given:
        """A caller's verdict on an answer, by the request that it was given to, or by its id. A wrong one is dropped.

        Raises:
            CachedAnswerNotFound: the request was given nothing from the cache, or was reported already, or there is no
                such entry.
            DependencyUnavailable: the cache cannot be reached.
        """
        given = await self._memory.given(tenant_id, request_id) if request_id else None
        if given is None and cache_id and await self._memory.holds(tenant_id, cache_id):
            given = Given(cache_id, None)
        if given is None:
            raise CachedAnswerNotFound("no such answer was given from the cache, or it was reported already")
        await self.observe(tenant_id, settings, given, right=not wrong, evict=wrong)
        return given

    async def observe(
        self, tenant_id: str, settings: TenantSettings, given: Given, *, right: bool, evict: bool = False
    ) -> None:
        """Remember a verdict, and what follows from all of them for the entry and for the tenant."""
        observed = await self._memory.observe(tenant_id, given, right=right, evict=evict)
        if given.similarity is None:
            return
        bounds = bounds_of(settings)
        start = settings.cache_similarity
        tenants = learned_threshold(start, bounds, observed.tenants)
        entrys = learned_threshold(tenants, bounds, observed.entrys)
        await self._memory.learn(tenant_id, given.entry_id, observed, start, tenants=tenants, entrys=entrys)


def bounds_of(settings: TenantSettings) -> Bounds:
    """What a tenant allows to be learned."""
    return Bounds(settings.cache_similarity_least, settings.cache_similarity_most, settings.cache_error_rate)
