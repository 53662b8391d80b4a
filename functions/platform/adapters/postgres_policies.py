"""The added access policies in the platform database."""

import asyncpg

from functions.kit.database import connection
from functions.kit.policies.documents import PolicyDocument
from functions.platform.core.policies import StoredPolicies

_OF_TENANT = """
    SELECT p.version, p.document, p.updated_at
    FROM tenants t LEFT JOIN policies p ON p.tenant_id = t.id WHERE t.id = $1
"""
_OF_PLATFORM = "SELECT version, document, updated_at FROM policies WHERE tenant_id IS NULL"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('policies', 0))"
_REPLACE = """
    INSERT INTO policies (tenant_id, version, document) VALUES ($1, nextval('policy_versions'), $2)
    ON CONFLICT (tenant_id) DO UPDATE
        SET version = excluded.version, document = excluded.document, updated_at = excluded.updated_at
    RETURNING version, document, updated_at
"""


class PostgresPolicies:
    """Port `Policies`."""

    async def find(self, owner: str | None) -> StoredPolicies | None:
        """What is added; None when there is no such tenant."""
        session = await connection()
        if owner is None:
            return _stored(await session.fetchrow(_OF_PLATFORM))
        row = await session.fetchrow(_OF_TENANT, owner)
        return _stored(row) if row else None

    async def lock(self) -> None:
        """One change at a time, so that versions are given out in the order of commits."""
        await (await connection()).execute(_LOCK)

    async def replace(self, owner: str | None, document: PolicyDocument) -> StoredPolicies:
        """Make the document all that is added."""
        plain = document.model_dump(mode="json", by_alias=True)
        return _stored(await (await connection()).fetchrow(_REPLACE, owner, plain))


def _stored(row: "asyncpg.Record | None") -> StoredPolicies:
    if row is None or row["version"] is None:
        return StoredPolicies(PolicyDocument())
    return StoredPolicies(PolicyDocument.model_validate(row["document"]), row["version"], row["updated_at"])
