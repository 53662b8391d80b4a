"""The register of tenants in the platform database."""

from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from functions.kit.database import Databases, connection
from functions.kit.principal import Role, hash_api_key
from functions.kit.secrets import WrappedKey
from functions.platform.core.edge import EdgeTenant
from functions.platform.core.errors import SlugTaken
from functions.platform.core.models import IssuedKey, Plan, Tenant, TenantFilter, TenantStatus

_COLUMNS = "id::text, slug, name, status, plan, region, created_at, branding, settings, updated_at"
_HOLD = "SELECT pg_try_advisory_xact_lock(hashtextextended('provision:' || $1, 0))"
_RESERVE = """
    WITH tenant AS (
        INSERT INTO tenants (id, slug, name, status, plan, region, database, database_role, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
        RETURNING id
    )
    INSERT INTO tenant_keys (tenant_id, version, kek_id, wrapped) SELECT id, 1, $10, $11 FROM tenant
"""
_ACTIVATE = """
    WITH tenant AS (
        UPDATE tenants SET status = 'active', database_secret = $2
        WHERE id = $1 AND status = 'provisioning'
        RETURNING id
    )
    INSERT INTO api_keys (id, tenant_id, name, key_hash, roles, hint) SELECT $3, id, 'first', $4, $5, $6 FROM tenant
    RETURNING true
"""
# Later than before even where the clock was set back: a version is never seen twice.
_CHANGE = """
    UPDATE tenants SET name = $2, status = $3, plan = $4, region = $5, branding = $6, settings = $7,
                       updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    WHERE id = $1
    RETURNING updated_at
"""
_REMOVE = """
    DELETE FROM tenants
    WHERE id = (SELECT id FROM tenants WHERE id = $1 AND status = 'provisioning' FOR UPDATE SKIP LOCKED)
"""
# What is refused for ever, or until something else changes, the edge may refuse; what it is not told of passes on.
_EDGE = """
    SELECT t.id::text, t.slug, t.plan, t.status,
           coalesce(array_agg(k.key_hash) FILTER (WHERE k.in_force), '{}') AS in_force,
           coalesce(array_agg(k.key_hash) FILTER (WHERE NOT k.in_force), '{}') AS revoked,
           (SELECT q.maximum FROM quotas q WHERE q.tenant_id = t.id AND q.subject_kind = 'tenant' AND q.hard
                AND q.metric = 'requests' AND q.period = 'minute') AS requests_per_minute
    FROM tenants t LEFT JOIN (
        SELECT tenant_id, key_hash, active AND coalesce(expires_at > now(), true) AS in_force FROM runtime.api_keys
    ) k ON k.tenant_id = t.id
    WHERE t.status <> 'provisioning'
    GROUP BY t.id
"""


class PostgresTenants:
    """Ports `Tenants` and `EdgeDirectory`.

    Args:
        at_once: pools for what takes effect at once. Not the pools of the units of work: whoever waits there for a
            second connection while holding the first can wait for himself.
    """

    def __init__(self, at_once: Databases) -> None:
        self._at_once = at_once

    async def hold(self, tenant_id: str) -> bool:
        """Take an advisory lock that the transaction ends, however it ends."""
        return bool(await (await connection()).fetchval(_HOLD, tenant_id))

    async def reserve(self, tenant: Tenant, data_key: WrappedKey) -> None:
        """Enter a tenant and its first data key, at once and for everybody to see."""
        async with self._at_once.acquire() as session:
            try:
                await session.execute(
                    _RESERVE,
                    tenant.id,
                    tenant.slug,
                    tenant.name,
                    tenant.status,
                    tenant.plan,
                    tenant.region,
                    tenant.database,
                    tenant.database_role,
                    tenant.created_at,
                    data_key.kek_id,
                    data_key.wrapped,
                )
            except asyncpg.UniqueViolationError as error:
                raise SlugTaken(f"another tenant has the slug {tenant.slug}", details={"slug": tenant.slug}) from error

    async def activate(self, tenant: Tenant, database_secret: bytes, key: IssuedKey) -> None:
        """Make a reserved tenant active, with its first API key."""
        session = await connection()
        # A savepoint: should it fail, no lock of ours keeps the tenant from being removed.
        async with session.transaction():
            done = await session.fetchval(
                _ACTIVATE, tenant.id, database_secret, key.id, hash_api_key(key.secret), [Role.ADMIN], key.hint
            )
            if not done:
                raise LookupError(f"tenant {tenant.id} is no longer in provisioning")

    async def remove(self, tenant_id: str) -> None:
        """Take a tenant that never became active out of the register, at once.

        Where the unit of work has itself changed the tenant, it stays until that is rolled back and is then abandoned.
        """
        async with self._at_once.acquire() as session:
            await session.execute(_REMOVE, tenant_id)

    async def unfinished(self, slug: str | None) -> Sequence[Tenant]:
        """The tenants in provisioning, oldest first; only the one of that slug when given."""
        query = f"""
            SELECT {_COLUMNS} FROM tenants
            WHERE status = 'provisioning' AND ($1::text IS NULL OR slug = $1) ORDER BY created_at
        """  # noqa: S608 - the columns are ours
        return [_tenant(row) for row in await (await connection()).fetch(query, slug)]

    async def find(self, tenant_id: str) -> Tenant | None:
        """The tenant, whatever its status."""
        return await self._one("", tenant_id)

    async def lock(self, tenant_id: str) -> Tenant | None:
        """The tenant, its row locked; what only refers to it is not held up."""
        return await self._one("FOR NO KEY UPDATE", tenant_id)

    async def newest(self, limit: int, before: str | None, wanted: TenantFilter) -> Sequence[Tenant]:
        """By id, which is by time: ids are UUIDv7."""
        query = f"""
            SELECT {_COLUMNS} FROM tenants
            WHERE ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR status = $3)
              AND ($4 = '' OR starts_with(slug, lower($4)) OR starts_with(lower(name), lower($4)))
            ORDER BY id DESC LIMIT $1
        """  # noqa: S608 - the columns are ours
        rows = await (await connection()).fetch(query, limit, before, wanted.status, wanted.prefix)
        return [_tenant(row) for row in rows]

    async def change(self, tenant: Tenant) -> Tenant:
        """Store all of a tenant that can change; gives it with the time of the change."""
        changed_at = await (await connection()).fetchval(
            _CHANGE,
            tenant.id,
            tenant.name,
            tenant.status,
            tenant.plan,
            tenant.region,
            tenant.branding,
            tenant.overrides,
        )
        return replace(tenant, changed_at=changed_at)

    async def edge_tenants(self) -> Sequence[EdgeTenant]:
        """All that are provisioned."""
        return [
            EdgeTenant(
                id=row["id"],
                slug=row["slug"],
                plan=row["plan"],
                status=row["status"],
                key_hashes=tuple(row["in_force"]),
                revoked_hashes=tuple(row["revoked"]),
                requests_per_minute=row["requests_per_minute"],
            )
            for row in await (await connection()).fetch(_EDGE)
        ]

    async def _one(self, locking: str, tenant_id: str) -> Tenant | None:
        query = f"SELECT {_COLUMNS} FROM tenants WHERE id = $1 {locking}"  # noqa: S608 - both are ours
        row = await (await connection()).fetchrow(query, tenant_id)
        return _tenant(row) if row else None


def _tenant(row: "asyncpg.Record") -> Tenant:
    return Tenant(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        status=TenantStatus(row["status"]),
        plan=Plan(row["plan"]),
        region=row["region"],
        created_at=row["created_at"],
        branding=row["branding"],
        overrides=row["settings"],
        changed_at=row["updated_at"],
    )
