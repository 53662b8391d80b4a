"""In which order a tenant is made, and unmade."""

import pytest

from functions.kit.clock import utc_now
from functions.kit.identifiers import new_id
from functions.kit.principal import is_api_key
from functions.kit.subjects import TenantCreated
from functions.platform.core.errors import ProvisioningFailed, SlugTaken
from functions.platform.core.models import NewTenant, Plan, Tenant, TenantStatus
from functions.platform.core.provision_tenant import ClearAbandoned, ProvisionTenant
from tests.unit.platform.doubles import (
    MemoryEvents,
    MemoryPlatform,
    MemoryServer,
    MemoryTenants,
    PlainKeys,
    PlainSecrets,
)

ACME = NewTenant("Acme", "acme")
UNDOING = ["drop_database", "drop_role", "remove"]


def provision(platform: MemoryPlatform) -> ProvisionTenant:
    return ProvisionTenant(
        MemoryTenants(platform), MemoryServer(platform), PlainKeys(), PlainSecrets(), MemoryEvents(platform)
    )


def begun(slug: str, status: TenantStatus = TenantStatus.PROVISIONING) -> Tenant:
    return Tenant(new_id(), slug, "Begun", status, Plan.FREE, None, utc_now())


async def test_a_tenant_is_active_with_a_key_and_an_event() -> None:
    platform = MemoryPlatform()
    made = await provision(platform)(ACME)
    assert platform.steps == ["reserve", "create_role", "create_database", "activate"]
    assert made.tenant.status is TenantStatus.ACTIVE
    assert is_api_key(made.api_key.secret)
    (event,) = platform.events
    assert isinstance(event, TenantCreated)
    assert (event.tenant_id, event.database) == (made.tenant.id, made.tenant.database)


@pytest.mark.parametrize("step", ["create_role", "create_database", "activate"])
async def test_a_failure_undoes_all_in_reverse_and_forgets_last(step: str) -> None:
    platform = MemoryPlatform(fails_at={step})
    with pytest.raises(ProvisioningFailed, match=step):
        await provision(platform)(ACME)
    assert platform.steps[-3:] == UNDOING
    assert not platform.tenants


@pytest.mark.parametrize("undoing", UNDOING)
async def test_what_cannot_be_undone_stays_in_the_register(undoing: str) -> None:
    platform = MemoryPlatform(fails_at={"create_database", undoing})
    with pytest.raises(ProvisioningFailed, match="create_database"):
        await provision(platform)(ACME)
    assert [tenant.status for tenant in platform.tenants.values()] == [TenantStatus.PROVISIONING]


async def test_a_slug_of_another_tenant_is_refused_and_nothing_is_undone() -> None:
    other = begun("acme", TenantStatus.ACTIVE)
    platform = MemoryPlatform(tenants={other.id: other})
    with pytest.raises(SlugTaken):
        await provision(platform)(ACME)
    assert platform.steps == ["reserve"]


async def test_a_slug_that_was_abandoned_is_free_again() -> None:
    abandoned = begun("acme")
    platform = MemoryPlatform(tenants={abandoned.id: abandoned})
    made = await provision(platform)(ACME)
    assert platform.steps[:5] == ["reserve", *UNDOING, "reserve"]
    assert list(platform.tenants) == [made.tenant.id]


async def test_only_what_nobody_holds_is_cleared() -> None:
    held, abandoned, active = begun("held"), begun("abandoned"), begun("active", TenantStatus.ACTIVE)
    platform = MemoryPlatform(tenants={tenant.id: tenant for tenant in (held, abandoned, active)}, held={held.id})
    assert await ClearAbandoned(MemoryTenants(platform), MemoryServer(platform))() == 1
    assert list(platform.tenants) == [held.id, active.id]
