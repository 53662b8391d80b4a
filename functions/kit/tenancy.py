"""The tenants as every context sees them, read from what the platform context publishes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.kit.database import Databases
from functions.kit.errors import Forbidden
from functions.kit.secrets import Place, SecretBox
from functions.kit.settings import TenantSettings
from functions.kit.stale_cache import StaleCache

_BY_ID = """
    SELECT id::text, slug, status, plan, database, settings, coalesce(
        (SELECT enabled FROM runtime.guardrails g WHERE g.tenant_id = t.id), true) AS examined
    FROM runtime.tenants t WHERE id::text = $1
"""
_ROLE = "SELECT tenant_id::text, role, secret FROM runtime.tenant_databases WHERE database = $1"


class TenantSuspended(Forbidden):
    """The tenant exists and may not call now."""

    code = "tenant_suspended"


@dataclass(frozen=True, slots=True)
class Tenant:
    """What contexts other than the platform may know of a tenant.

    Attributes:
        examined: guardrails look at what is said in its calls.
    """

    id: str
    slug: str
    status: str
    plan: str
    database: str
    settings: TenantSettings
    examined: bool = True

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Tenant":
        """From a row of `runtime.tenants`."""
        return cls(**{**row, "settings": TenantSettings.of(row["settings"])})

    def ensure_active(self) -> None:
        """Refuse a tenant that may not call.

        Raises:
            TenantSuspended: it is suspended, or not yet ready.
        """
        if self.status != "active":
            raise TenantSuspended(f"the tenant is {self.status}")


class TenantDirectory:
    """Finds tenants by id, from memory for a few seconds and while the database is away."""

    def __init__(self, databases: Databases, *, fresh: float, stale: float) -> None:
        self._databases = databases
        self._cache: StaleCache[str, Tenant | None] = StaleCache(self._load, fresh=fresh, stale=stale)

    async def find(self, tenant_id: str) -> Tenant | None:
        """The tenant, or None.

        Raises:
            DependencyUnavailable: the database is away and the tenant is not known from before.
        """
        return await self._cache.get(tenant_id)

    async def calling(self, tenant_id: str) -> Tenant:
        """The tenant, which calls.

        Raises:
            Forbidden: there is no such tenant, or it may not call now.
            DependencyUnavailable: the database is away and the tenant is not known from before.
        """
        tenant = await self._cache.get(tenant_id)
        if tenant is None:
            raise Forbidden("there is no such tenant")
        tenant.ensure_active()
        return tenant

    def forget(self, tenant_id: str) -> None:
        """Ask again at the next use."""
        self._cache.forget(tenant_id)

    async def _load(self, tenant_id: str) -> Tenant | None:
        async with self._databases.acquire() as connection:
            row = await connection.fetchrow(_BY_ID, tenant_id)
        return Tenant.of(dict(row)) if row else None


class TenantDatabaseCredentials:
    """Role and password of a tenant's database, opened from the envelope."""

    def __init__(self, databases: Databases, secrets: SecretBox) -> None:
        self._databases = databases
        self._secrets = secrets

    async def __call__(self, database: str) -> tuple[str, str]:
        """The role that may connect to this database alone.

        Raises:
            Forbidden: no tenant has such a database.
        """
        async with self._databases.acquire() as connection:
            row = await connection.fetchrow(_ROLE, database)
        if row is None:
            raise Forbidden("no tenant has this database")
        place = Place(row["tenant_id"], "tenants", row["tenant_id"], "database_secret")
        return row["role"], (await self._secrets.decrypt(place, bytes(row["secret"]))).decode()
