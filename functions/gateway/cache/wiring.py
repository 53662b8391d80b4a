"""The composition root of the cache's own use cases, which need Redis and nothing else of the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.gateway.adapters.redis_cache_admin import RedisCacheBook
from functions.gateway.adapters.redis_link import RedisLink
from functions.gateway.core.cache_feedback import CacheFeedback
from functions.gateway.core.cache_ports import CacheBook
from functions.kit.runtime import Runtime
from functions.kit.tenancy import TenantDirectory


@dataclass(frozen=True, slots=True)
class Cache:
    """The use cases."""

    book: CacheBook
    feedback: CacheFeedback
    tenants: TenantDirectory


@asynccontextmanager
async def cache(runtime: Runtime) -> AsyncIterator[Cache]:
    """Wire them."""
    settings = runtime.settings
    link = RedisLink(settings.redis_url.get_secret_value(), timeout_seconds=settings.redis_timeout_seconds)
    book = RedisCacheBook(link)
    try:
        yield Cache(book, CacheFeedback(book), runtime.tenants)
    finally:
        await link.close()
