"""API keys in the platform database; of their secrets the hashes alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from functions.kit.database import connection
from functions.kit.principal import Role
from functions.platform.core.api_key_models import ApiKey, ApiKeyFilter
from functions.platform.core.member_errors import UnknownReference
from functions.platform.core.members import UserStatus

_KEY = """
    k.id::text, k.tenant_id::text, k.name, k.roles[1] AS role, k.owner_id::text AS user_id, k.group_id::text, k.models,
    k.hint, k.created_at, k.expires_at, k.revoked_at, k.rotated_at, k.last_used_at, u.status AS user_status
"""
_FROM = "api_keys k LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.owner_id"
_STATUS = """
    CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'
         WHEN u.status IN ('deactivated', 'removed') THEN 'suspended' ELSE 'active' END
"""
_ADD = """
    INSERT INTO api_keys (id, tenant_id, name, key_hash, hint, roles, owner_id, group_id, models, created_at,
                          expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
# Each rotation takes those with it whose grace ended long ago: unknown secrets are refused no less than former ones.
_ROTATE = """
    WITH ended AS (
        DELETE FROM api_key_former_secrets WHERE key_id = $1 AND valid_until < now() - interval '7 days'
    ), shortened AS (
        UPDATE api_key_former_secrets SET valid_until = least(valid_until, $4)
        WHERE key_id = $1 AND valid_until >= now() - interval '7 days'
    ), kept AS (
        INSERT INTO api_key_former_secrets (key_hash, key_id, valid_until) SELECT key_hash, id, $4 FROM api_keys
        WHERE id = $1
    )
    UPDATE api_keys SET key_hash = $2, hint = $3, rotated_at = $5 WHERE id = $1
"""
# In the order of ids, like every batch of usage: two at once then wait for each other instead of deadlocking.
_USED = """
    WITH given AS (
        SELECT id, least(at, now()) AS at FROM unnest($2::uuid[], $3::timestamptz[]) AS given(id, at)
    ), stale AS (
        SELECT k.id, given.at FROM api_keys k JOIN given USING (id)
        WHERE k.tenant_id = $1 AND coalesce(k.last_used_at < given.at - interval '1 minute', true)
        ORDER BY k.id FOR NO KEY UPDATE OF k
    )
    UPDATE api_keys k SET last_used_at = stale.at FROM stale WHERE k.id = stale.id
"""


class PostgresApiKeys:
    """Port `ApiKeys`."""

    async def add(self, key: ApiKey, key_hash: str) -> None:
        """Enter a key."""
        try:
            await (await connection()).execute(
                _ADD,
                key.id,
                key.tenant_id,
                key.name,
                key_hash,
                key.hint,
                [key.role],
                key.user_id,
                key.group_id,
                list(key.models),
                key.created_at,
                key.expires_at,
            )
        except asyncpg.ForeignKeyViolationError as error:
            raise UnknownReference("the tenant has no such group", details={"field": "groupId"}) from error

    async def lock(self, tenant_id: str, key_id: str) -> ApiKey | None:
        """The key, its row locked."""
        query = f"SELECT {_KEY} FROM {_FROM} WHERE k.tenant_id = $1 AND k.id = $2 FOR UPDATE OF k"  # noqa: S608
        row = await (await connection()).fetchrow(query, tenant_id, key_id)
        return _key(row) if row else None

    async def some(self, tenant_id: str, wanted: ApiKeyFilter, limit: int, before: str | None) -> Sequence[ApiKey]:
        """By id, which is by time: ids are UUIDv7."""
        query = f"""
            SELECT {_KEY} FROM {_FROM}
            WHERE k.tenant_id = $1 AND ($3::uuid IS NULL OR k.id < $3)
              AND ($4::uuid IS NULL OR k.owner_id = $4) AND ($5::uuid IS NULL OR k.group_id = $5)
              AND ($6::text IS NULL OR {_STATUS} = $6)
            ORDER BY k.id DESC LIMIT $2
        """  # noqa: S608 - the columns are ours
        rows = await (await connection()).fetch(
            query, tenant_id, limit, before, wanted.user_id, wanted.group_id, wanted.status
        )
        return [_key(row) for row in rows]

    async def rotate(self, key: ApiKey, key_hash: str, former_until: datetime) -> None:
        """Give a key another secret; those it had before are good until then at the latest."""
        await (await connection()).execute(_ROTATE, key.id, key_hash, key.hint, former_until, key.rotated_at)

    async def revoke(self, tenant_id: str, key_id: str, now: datetime) -> None:
        """End a key for ever."""
        query = "UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2"
        await (await connection()).execute(query, tenant_id, key_id, now)

    async def revoke_of_user(self, tenant_id: str, user_id: str, now: datetime) -> Sequence[str]:
        """End all keys of a user for ever; gives their ids."""
        query = """
            UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL
            RETURNING id::text
        """
        return [row["id"] for row in await (await connection()).fetch(query, tenant_id, user_id, now)]

    async def used(self, tenant_id: str, moments: Mapping[str, datetime]) -> None:
        """Note when keys were used last, unless what is known is less than a minute older."""
        ids = sorted(moments)
        await (await connection()).execute(_USED, tenant_id, ids, [moments[key_id] for key_id in ids])


def _key(row: "asyncpg.Record") -> ApiKey:
    status = row["user_status"]
    return ApiKey(
        **{
            **dict(row),
            "role": Role(row["role"]),
            "models": tuple(row["models"]),
            "user_status": None if status is None else UserStatus(status),
        }
    )
