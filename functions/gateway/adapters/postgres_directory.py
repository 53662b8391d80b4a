"""Provider configurations as the platform context publishes them, keys opened in memory."""

import logging
from collections.abc import Mapping
from typing import Any

from functions.gateway.core.models import Provider
from functions.kit.database import Databases
from functions.kit.egress import PROVIDER_URLS
from functions.kit.secrets import Place, SecretBox
from functions.kit.stale_cache import StaleCache

_logger = logging.getLogger(__name__)
_QUERY = """
    SELECT id::text, tenant_id::text, name, kind, base_url, secret, models, embedding_model, default_model
    FROM runtime.providers WHERE tenant_id::text = $1 ORDER BY position, name
"""


class PostgresProviderDirectory:
    """Reads `runtime.providers`, from memory for a few seconds and while the database is away."""

    def __init__(self, databases: Databases, secrets: SecretBox, *, fresh: float, stale: float) -> None:
        self._databases = databases
        self._secrets = secrets
        self._cache: StaleCache[str, tuple[Provider, ...]] = StaleCache(self._load, fresh=fresh, stale=stale)

    async def providers(self, tenant_id: str) -> tuple[Provider, ...]:
        """A tenant's providers in the order it listed them.

        Raises:
            DependencyUnavailable: the database is away and the tenant's providers are not known from before.
        """
        return await self._cache.get(tenant_id)

    def forget(self, tenant_id: str) -> None:
        """Ask again at the next use."""
        self._cache.forget(tenant_id)

    async def _load(self, tenant_id: str) -> tuple[Provider, ...]:
        async with self._databases.acquire() as connection:
            rows = await connection.fetch(_QUERY, tenant_id)
        # A provider given by secretRef has no key here until a key-management adapter resolves references (R2).
        return tuple([await self._open(dict(row)) for row in rows if row["secret"] is not None])

    async def _open(self, row: Mapping[str, Any]) -> Provider:
        place = Place(row["tenant_id"], "providers", row["id"], "secret")
        return Provider(
            name=row["name"],
            kind=row["kind"],
            base_url=(row["base_url"] or PROVIDER_URLS[row["kind"]]).rstrip("/"),
            api_key=(await self._secrets.decrypt(place, bytes(row["secret"]))).decode(),
            models=tuple(row["models"] or ()),
            embedding_model=row["embedding_model"],
            default_model=row["default_model"],
        )
