"""Provider configurations in the platform database."""

from collections.abc import Sequence

import asyncpg

from functions.kit.database import Databases, connection
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import Provider

_OF_TENANT = """
    SELECT id::text, name, kind, base_url, models, embedding_model, default_model, secret, secret_ref, key_hint,
           created_at, updated_at
    FROM providers WHERE tenant_id = $1 ORDER BY position
"""
_PUT = """
    INSERT INTO providers (id, tenant_id, position, name, kind, base_url, models, embedding_model, default_model,
                           secret, secret_ref, key_hint, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (id) DO UPDATE SET
        position = excluded.position, kind = excluded.kind, base_url = excluded.base_url, models = excluded.models,
        embedding_model = excluded.embedding_model, default_model = excluded.default_model, secret = excluded.secret,
        secret_ref = excluded.secret_ref, key_hint = excluded.key_hint, updated_at = excluded.updated_at
"""


_ONE = """
    SELECT p.id::text, p.name, p.kind, p.base_url, p.models, p.embedding_model, p.default_model, p.secret, p.secret_ref,
           p.key_hint, p.created_at, p.updated_at
    FROM tenants t LEFT JOIN providers p ON p.tenant_id = t.id AND p.name = $2 WHERE t.id = $1
"""


class PostgresProviders:
    """Port `Providers`."""

    async def of_tenant(self, tenant_id: str) -> Sequence[Provider]:
        """In the order the tenant gave them."""
        rows = await (await connection()).fetch(_OF_TENANT, tenant_id)
        return [_provider(row) for row in rows]

    async def replace(self, tenant_id: str, providers: Sequence[Provider]) -> None:
        """Make these all the tenant has."""
        session = await connection()
        kept = [provider.id for provider in providers]
        await session.execute("DELETE FROM providers WHERE tenant_id = $1 AND id <> ALL($2::uuid[])", tenant_id, kept)
        await session.executemany(
            _PUT,
            [
                (
                    provider.id,
                    tenant_id,
                    position,
                    provider.name,
                    provider.kind,
                    provider.base_url,
                    list(provider.models),
                    provider.embedding_model,
                    provider.default_model,
                    provider.secret,
                    provider.secret_ref,
                    provider.key_hint,
                    provider.created_at,
                    provider.updated_at,
                )
                for position, provider in enumerate(providers)
            ],
        )


class PostgresStoredProviders:
    """Port `StoredProviders`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def find(self, tenant_id: str, name: str) -> Provider | None:
        """The tenant's provider of that name."""
        async with self._databases.acquire() as session:
            row = await session.fetchrow(_ONE, tenant_id, name)
        if row is None:
            raise TenantNotFound("there is no such tenant")
        return _provider(row) if row["id"] is not None else None


def _provider(row: "asyncpg.Record") -> Provider:
    return Provider(**{**dict(row), "models": tuple(row["models"])})
