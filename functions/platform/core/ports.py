"""What the context needs from the outside."""

from collections.abc import Sequence
from typing import Protocol

from functions.kit.events import EventData
from functions.kit.secrets import Place, WrappedKey
from functions.kit.subjects import UsageRecord
from functions.platform.core.edge import EdgeTenant
from functions.platform.core.models import IssuedKey, Provider, Tenant, TenantFilter, UsageQuery, UsageTotal


class Tenants(Protocol):
    """The register of tenants. What is not said to happen at once belongs to the current unit of work."""

    async def hold(self, tenant_id: str) -> bool:
        """Become the one who provisions or clears a tenant, until the unit of work ends or its process dies.

        Returns:
            False when somebody else is.
        """
        ...

    async def reserve(self, tenant: Tenant, data_key: WrappedKey) -> None:
        """Enter a tenant and its first data key, at once and for everybody to see.

        Raises:
            SlugTaken: the slug is another tenant's.
        """
        ...

    async def activate(self, tenant: Tenant, database_secret: bytes, key: IssuedKey) -> None:
        """Make a reserved tenant active, with its first API key. Changes all of it or, when it raises, nothing."""
        ...

    async def remove(self, tenant_id: str) -> None:
        """Take a tenant that never became active out of the register, at once."""
        ...

    async def unfinished(self, slug: str | None) -> Sequence[Tenant]:
        """The tenants in provisioning, oldest first; only the one of that slug when given."""
        ...

    async def find(self, tenant_id: str) -> Tenant | None:
        """The tenant, whatever its status."""
        ...

    async def lock(self, tenant_id: str) -> Tenant | None:
        """The tenant, with changes to its configuration held off until the unit of work ends."""
        ...

    async def newest(self, limit: int, before: str | None, wanted: TenantFilter) -> Sequence[Tenant]:
        """Tenants, newest first, beginning after the one with the id `before`."""
        ...

    async def change(self, tenant: Tenant) -> Tenant:
        """Store all of a tenant that can change; gives it with the time of the change."""
        ...


class DatabaseServer(Protocol):
    """The server that the tenants' databases are on. Each step takes effect at once and removals may be repeated.

    Raises:
        DependencyUnavailable: the server is away.
        ProvisioningFailed: the server refused the step.
    """

    async def create_role(self, role: str) -> str:
        """Make a role that may log in, and return its password."""
        ...

    async def create_database(self, database: str, role: str) -> None:
        """Make a database from the migrated template; of all tenants' roles only `role` may connect to it."""
        ...

    async def drop_database(self, database: str, role: str) -> None:
        """Remove a database, ending the connections to it."""
        ...

    async def drop_role(self, role: str) -> None:
        """Remove a role."""
        ...


class Secrets(Protocol):
    """Encryption under a tenant's data key."""

    async def encrypt(self, place: Place, secret: bytes) -> bytes:
        """The ciphertext, bound to the place it will be stored at."""
        ...


class Events(Protocol):
    """The event bus, as far as a use case sees it."""

    def publish(self, data: EventData, tenant_id: str | None) -> None:
        """Say it if and only if the unit of work commits; no tenant: it is about the platform."""
        ...


class Providers(Protocol):
    """The tenants' provider configurations, within the unit of work."""

    async def of_tenant(self, tenant_id: str) -> Sequence[Provider]:
        """In the order the tenant gave them."""
        ...

    async def replace(self, tenant_id: str, providers: Sequence[Provider]) -> None:
        """Make these all the tenant has."""
        ...


class Egress(Protocol):
    """Where outgoing calls may go."""

    def check_url(self, url: str, kind: str) -> None:
        """Let an address of a provider of this kind through.

        Raises:
            EgressDenied: it is not allowed.
        """
        ...


class Usage(Protocol):
    """The ledger of metered calls and their hourly sums, within the unit of work."""

    async def add(self, records: Sequence[UsageRecord]) -> int:
        """Enter the records that the ledger lacks into it and the sums; returns how many those were."""
        ...

    async def totals(self, query: UsageQuery) -> Sequence[UsageTotal]:
        """At most `query.limit` totals, ordered by start and key."""
        ...


class EdgeDirectory(Protocol):
    """The tenants with their credentials, as the edge needs them."""

    async def edge_tenants(self) -> Sequence[EdgeTenant]:
        """All that are provisioned."""
        ...
