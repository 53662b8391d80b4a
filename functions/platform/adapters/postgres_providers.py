"""Provider configurations in the platform database."""

from collections.abc import Sequence

from functions.kit.database import connection
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


class PostgresProviders:
    """Port `Providers`."""

    async def of_tenant(self, tenant_id: str) -> Sequence[Provider]:
        """In the order the tenant gave them."""
        rows = await (await connection()).fetch(_OF_TENANT, tenant_id)
        return [Provider(**{**row, "models": tuple(row["models"])}) for row in map(dict, rows)]

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
