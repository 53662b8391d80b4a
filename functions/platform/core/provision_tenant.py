"""Provisioning a tenant: a role, a database of its own, a data key and a first API key, or nothing at all.

The tenant is entered as `provisioning` before anything is made and becomes `active` in the transaction that ends the
request. In between the provisioner holds the tenant, and the hold ends with its process. So whatever is in provisioning
and held by nobody was abandoned, and can be cleared at once.
"""

import logging
from dataclasses import replace

from functions.kit.clock import utc_now
from functions.kit.identifiers import new_id
from functions.kit.principal import new_api_key
from functions.kit.secrets import KeyManagement, Place, new_data_key
from functions.kit.subjects import TenantCreated
from functions.platform.core.errors import SlugTaken
from functions.platform.core.models import IssuedKey, NewTenant, ProvisionedTenant, Tenant, TenantStatus
from functions.platform.core.ports import DatabaseServer, Events, Secrets, Tenants

_logger = logging.getLogger(__name__)


class ClearAbandoned:
    """Removes what is left of tenants whose provisioning ended midway."""

    def __init__(self, tenants: Tenants, server: DatabaseServer) -> None:
        self._tenants = tenants
        self._server = server

    async def __call__(self, slug: str | None = None) -> int:
        """Clear the abandoned tenants, or the one of a slug; returns how many there were."""
        cleared = 0
        for tenant in await self._tenants.unfinished(slug):
            if await self._tenants.hold(tenant.id) and await self._is_unfinished(tenant.id):
                await self.clear(tenant)
                cleared += 1
                _logger.warning("an abandoned tenant was cleared", extra={"slug": tenant.slug, "tenant": tenant.id})
        return cleared

    async def clear(self, tenant: Tenant) -> None:
        """Remove all there may be of a tenant, in the reverse order of its making; the register forgets it last."""
        await self._server.drop_database(tenant.database, tenant.database_role)
        await self._server.drop_role(tenant.database_role)
        await self._tenants.remove(tenant.id)

    async def _is_unfinished(self, tenant_id: str) -> bool:
        tenant = await self._tenants.find(tenant_id)
        return tenant is not None and tenant.status is TenantStatus.PROVISIONING


class ProvisionTenant:
    """Makes a tenant."""

    def __init__(
        self,
        tenants: Tenants,
        server: DatabaseServer,
        key_management: KeyManagement,
        secrets: Secrets,
        events: Events,
    ) -> None:
        self._tenants = tenants
        self._server = server
        self._key_management = key_management
        self._secrets = secrets
        self._events = events
        self._abandoned = ClearAbandoned(tenants, server)

    async def __call__(self, wanted: NewTenant) -> ProvisionedTenant:
        """Provision; the tenant is active once the unit of work has committed.

        Raises:
            SlugTaken: another tenant has the slug, or is just getting it.
            ProvisioningFailed: a step failed and those before it were undone.
            DependencyUnavailable: Postgres or the key management is away; likewise undone.
        """
        tenant = Tenant(
            new_id(), wanted.slug, wanted.name, TenantStatus.PROVISIONING, wanted.plan, wanted.region, utc_now()
        )
        await self._tenants.hold(tenant.id)
        try:
            await self._reserve(tenant)
            return await self._build(tenant)
        except SlugTaken:
            raise
        except BaseException:
            await self._undo(tenant)
            raise

    async def _reserve(self, tenant: Tenant) -> None:
        data_key = await self._key_management.wrap(new_data_key(), tenant.id)
        try:
            await self._tenants.reserve(tenant, data_key)
        except SlugTaken:
            if not await self._abandoned(tenant.slug):
                raise
            await self._tenants.reserve(tenant, data_key)

    async def _build(self, tenant: Tenant) -> ProvisionedTenant:
        password = await self._server.create_role(tenant.database_role)
        await self._server.create_database(tenant.database, tenant.database_role)
        place = Place(tenant.id, "tenants", tenant.id, "database_secret")
        secret = await self._secrets.encrypt(place, password.encode())
        key = IssuedKey(new_id(), new_api_key())
        self._events.publish(
            TenantCreated(
                tenant_id=tenant.id,
                name=tenant.name,
                slug=tenant.slug,
                plan=tenant.plan,
                region=tenant.region,
                database=tenant.database,
            ),
            tenant.id,
        )
        await self._tenants.activate(tenant, secret, key)
        return ProvisionedTenant(replace(tenant, status=TenantStatus.ACTIVE), key)

    async def _undo(self, tenant: Tenant) -> None:
        """Remove what was made. What cannot be removed now stays in the register, for `ClearAbandoned` to find."""
        try:
            await self._abandoned.clear(tenant)
        except Exception:
            _logger.exception("a tenant could not be undone", extra={"tenant": tenant.id})
