"""Ports that end in memory. They keep what they are told, in the order they are told it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from functions.kit.egress import EgressPolicy
from functions.kit.events import EventData
from functions.kit.secrets import Place, WrappedKey
from functions.kit.subjects import UsageRecord
from functions.platform.core.errors import ProvisioningFailed, SlugTaken
from functions.platform.core.models import (
    IssuedKey,
    Provider,
    Tenant,
    TenantFilter,
    TenantStatus,
    UsageQuery,
    UsageTotal,
)


@dataclass
class MemoryPlatform:
    """All that the use cases reach, and the steps they took.

    Attributes:
        fails_at: steps that do not work.
        held: tenants that somebody else holds.
    """

    steps: list[str] = field(default_factory=list)
    fails_at: set[str] = field(default_factory=set)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    providers: dict[str, Sequence[Provider]] = field(default_factory=dict)
    events: list[EventData] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.fails_at:
            raise ProvisioningFailed(name)


class MemoryTenants:
    """Port `Tenants`."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform
        self._tenants = platform.tenants

    async def hold(self, tenant_id: str) -> bool:
        return tenant_id not in self._platform.held

    async def reserve(self, tenant: Tenant, data_key: WrappedKey) -> None:
        self._platform.step("reserve")
        if any(other.slug == tenant.slug for other in self._tenants.values()):
            raise SlugTaken(tenant.slug)
        self._tenants[tenant.id] = tenant

    async def activate(self, tenant: Tenant, database_secret: bytes, key: IssuedKey) -> None:
        self._platform.step("activate")
        self._tenants[tenant.id] = replace(tenant, status=TenantStatus.ACTIVE)

    async def remove(self, tenant_id: str) -> None:
        self._platform.step("remove")
        self._tenants.pop(tenant_id, None)

    async def unfinished(self, slug: str | None) -> Sequence[Tenant]:
        found = [tenant for tenant in self._tenants.values() if tenant.status is TenantStatus.PROVISIONING]
        return [tenant for tenant in found if slug in {None, tenant.slug}]

    async def find(self, tenant_id: str) -> Tenant | None:
        return self._tenants.get(tenant_id)

    lock = find

    async def newest(self, limit: int, before: str | None, wanted: TenantFilter) -> Sequence[Tenant]:
        found = sorted(self._tenants.values(), key=lambda tenant: tenant.id, reverse=True)
        found = [tenant for tenant in found if wanted.status in {None, tenant.status}]
        return [tenant for tenant in found if before is None or tenant.id < before][:limit]

    async def change(self, tenant: Tenant) -> Tenant:
        self._tenants[tenant.id] = replace(tenant, changed_at=tenant.updated_at + timedelta(microseconds=1))
        return self._tenants[tenant.id]


class MemoryServer:
    """Port `DatabaseServer`."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform

    async def create_role(self, role: str) -> str:
        self._platform.step("create_role")
        return "password"

    async def create_database(self, database: str, role: str) -> None:
        self._platform.step("create_database")

    async def drop_database(self, database: str, role: str) -> None:
        self._platform.step("drop_database")

    async def drop_role(self, role: str) -> None:
        self._platform.step("drop_role")


class PlainKeys:
    """Port `KeyManagement`."""

    async def wrap(self, data_key: bytes, tenant_id: str) -> WrappedKey:
        return WrappedKey("plain", data_key)

    async def unwrap(self, wrapped: WrappedKey, tenant_id: str) -> bytes:
        return wrapped.wrapped


class PlainSecrets:
    """Port `Secrets`; a ciphertext shows where it belongs."""

    async def encrypt(self, place: Place, secret: bytes) -> bytes:
        return place.associated_data() + b"=" + secret


class MemoryEvents:
    """Port `Events`."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform

    def publish(self, data: EventData, tenant_id: str | None) -> None:
        self._platform.events.append(data)


class MemoryProviders:
    """Port `Providers`."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._providers = platform.providers

    async def of_tenant(self, tenant_id: str) -> Sequence[Provider]:
        return self._providers.get(tenant_id, ())

    async def replace(self, tenant_id: str, providers: Sequence[Provider]) -> None:
        self._providers[tenant_id] = providers


class MemoryUsage:
    """Port `Usage`; it has an answer ready and keeps the question."""

    def __init__(self, *totals: UsageTotal) -> None:
        self._totals = totals
        self.queries: list[UsageQuery] = []
        self.records: list[UsageRecord] = []

    async def add(self, records: Sequence[UsageRecord]) -> int:
        self.records += records
        return len(records)

    async def totals(self, query: UsageQuery) -> Sequence[UsageTotal]:
        self.queries.append(query)
        return self._totals[: query.limit]


EGRESS = EgressPolicy(["127.0.0.1:8090"])
