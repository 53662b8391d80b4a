"""What a change makes of a tenant."""

from dataclasses import replace

import pytest

from functions.kit.errors import Unprocessable
from functions.kit.subjects import TenantUpdated
from functions.platform.core.errors import TenantChanged, TenantNotFound, TenantNotReady
from functions.platform.core.models import Plan, Tenant, TenantChanges, TenantStatus
from functions.platform.core.update_tenant import UpdateTenant
from functions.platform.tenants.schemas import versions
from tests.unit.platform.doubles import MemoryEvents, MemoryPlatform, MemoryTenants
from tests.unit.platform.member_doubles import TENANT


async def update(
    platform: MemoryPlatform, changes: TenantChanges, expected: frozenset[str] | None = None, tenant_id: str = TENANT.id
) -> Tenant:
    return await UpdateTenant(MemoryTenants(platform), MemoryEvents(platform))(tenant_id, changes, expected)


@pytest.fixture
def platform() -> MemoryPlatform:
    return MemoryPlatform(tenants={TENANT.id: TENANT})


async def test_what_is_sent_changes_and_the_rest_stays(platform: MemoryPlatform) -> None:
    changed = await update(platform, {"status": TenantStatus.SUSPENDED, "plan": TENANT.plan, "region": "eu"})
    assert changed == replace(TENANT, status=TenantStatus.SUSPENDED, region="eu", changed_at=changed.changed_at)
    assert changed.version != TENANT.version
    assert platform.events == [TenantUpdated(tenant_id=TENANT.id, changed=["region", "status"])]


async def test_settings_and_branding_are_merged(platform: MemoryPlatform) -> None:
    await update(platform, {"overrides": {"cacheTtlSeconds": 5, "semanticCache": False}, "branding": {"a": "1"}})
    changed = await update(platform, {"overrides": {"semanticCache": None}, "branding": {"a": None, "b": "2"}})
    assert (changed.overrides, changed.branding) == ({"cacheTtlSeconds": 5}, {"b": "2"})
    assert isinstance(platform.events[-1], TenantUpdated)
    assert platform.events[-1].changed == ["branding", "settings"]


async def test_what_another_version_of_the_program_has_set_stays(platform: MemoryPlatform) -> None:
    platform.tenants[TENANT.id] = replace(TENANT, overrides={"ofTomorrow": 1})
    changed = await update(platform, {"overrides": {"cacheTtlSeconds": 5}})
    assert changed.overrides == {"ofTomorrow": 1, "cacheTtlSeconds": 5}


async def test_settings_that_the_platform_does_not_take(platform: MemoryPlatform) -> None:
    with pytest.raises(Unprocessable):
        await update(platform, {"overrides": {"cacheSimilarity": 7}})
    assert platform.events == []


async def test_a_change_that_changes_nothing_tells_nobody(platform: MemoryPlatform) -> None:
    assert await update(platform, {"name": TENANT.name, "branding": {"x": None}}) == TENANT
    assert platform.events == []


async def test_another_version_is_not_changed(platform: MemoryPlatform) -> None:
    with pytest.raises(TenantChanged):
        await update(platform, {"name": "X"}, frozenset({"another"}))
    changed = await update(platform, {"name": "X"}, frozenset({"another", TENANT.version}))
    with pytest.raises(TenantChanged):
        await update(platform, {"name": "Y"}, frozenset({TENANT.version}))
    assert (await update(platform, {"name": "Y"}, frozenset({changed.version}))).name == "Y"


async def test_what_is_not_there_or_not_ready_is_not_changed(platform: MemoryPlatform) -> None:
    with pytest.raises(TenantNotFound):
        await update(platform, {"name": "X"}, tenant_id="x")
    platform.tenants[TENANT.id] = replace(TENANT, status=TenantStatus.PROVISIONING, plan=Plan.FREE)
    with pytest.raises(TenantNotReady):
        await update(platform, {"status": TenantStatus.ACTIVE})


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (None, None),
        ("*", None),
        ('"a"', {"a"}),
        ('"a", "b" ,W/"c"', {"a", "b"}),
        ('""', {""}),
        ("a", set()),
        ("", set()),
    ],
)
def test_versions_in_a_header(header: str | None, named: set[str] | None) -> None:
    assert versions(header) == named


def test_a_header_full_of_blanks_takes_no_longer_than_another() -> None:
    # What grows with the square of the length would take days.
    assert versions(f"a{' ' * 3_000_000}b") == frozenset()
