"""Which key a provider has after a change."""

from dataclasses import replace

import pytest

from functions.kit.clock import utc_now
from functions.kit.egress import EgressDenied
from functions.kit.identifiers import new_id
from functions.kit.subjects import ProviderUpdated
from functions.platform.core.errors import ProviderKeyMissing, TenantNotFound
from functions.platform.core.models import Plan, Provider, ProviderDraft, Tenant, TenantStatus
from functions.platform.core.providers import PutProviders
from tests.unit.platform.doubles import (
    EGRESS,
    MemoryEvents,
    MemoryPlatform,
    MemoryProviders,
    MemoryTenants,
    PlainSecrets,
)

TENANT = Tenant(new_id(), "acme", "Acme", TenantStatus.ACTIVE, Plan.FREE, None, utc_now())
GIVEN = ProviderDraft("main", "openai", api_key="sk-0123456789")


@pytest.fixture
def platform() -> MemoryPlatform:
    return MemoryPlatform(tenants={TENANT.id: TENANT})


async def put(platform: MemoryPlatform, *drafts: ProviderDraft) -> list[Provider]:
    use = PutProviders(
        MemoryTenants(platform), MemoryProviders(platform), PlainSecrets(), EGRESS, MemoryEvents(platform)
    )
    return list(await use(TENANT.id, drafts))


async def test_a_key_is_sealed_for_its_row(platform: MemoryPlatform) -> None:
    (provider,) = await put(platform, GIVEN)
    assert provider.secret == f"{TENANT.id}|providers|{provider.id}|secret=sk-0123456789".encode()
    assert provider.key_masked == "…6789"


@pytest.mark.parametrize(("key", "shown"), [("a" * 7 + "7890", "…"), ("a" * 8 + "7890", "…7890")])
async def test_a_short_key_is_not_shown_at_all(platform: MemoryPlatform, key: str, shown: str) -> None:
    (provider,) = await put(platform, replace(GIVEN, api_key=key))
    assert provider.key_masked == shown


async def test_a_provider_without_a_key_keeps_its_own(platform: MemoryPlatform) -> None:
    (before,) = await put(platform, GIVEN)
    (after,) = await put(platform, replace(GIVEN, api_key=None, models=("gpt-4o",)))
    assert (after.id, after.secret, after.created_at) == (before.id, before.secret, before.created_at)
    assert after.models == ("gpt-4o",)
    assert after.updated_at >= before.updated_at
    assert await put(platform, replace(GIVEN, api_key=None, models=("gpt-4o",))) == [after], "nothing changed"


@pytest.mark.parametrize("change", [{"kind": "groq"}, {"base_url": "http://127.0.0.1:8090/v1"}, {"name": "other"}])
async def test_a_stored_key_stays_with_name_kind_and_host(platform: MemoryPlatform, change: dict[str, str]) -> None:
    await put(platform, GIVEN)
    moved = ProviderDraft(**{"name": "main", "kind": "openai", **change})  # type: ignore[arg-type]
    with pytest.raises(ProviderKeyMissing):
        await put(platform, moved)


async def test_a_path_may_change_without_the_key(platform: MemoryPlatform) -> None:
    await put(platform, replace(GIVEN, base_url="http://127.0.0.1:8090/v1"))
    (after,) = await put(platform, replace(GIVEN, api_key=None, base_url="http://127.0.0.1:8090/v2"))
    assert after.secret


async def test_a_reference_takes_the_place_of_a_key_and_the_reverse(platform: MemoryPlatform) -> None:
    await put(platform, GIVEN)
    (by_reference,) = await put(platform, replace(GIVEN, api_key=None, secret_ref="vault://openai"))
    assert (by_reference.secret, by_reference.secret_ref, by_reference.key_masked) == (None, "vault://openai", None)
    assert (await put(platform, replace(GIVEN, api_key=None)))[0].secret_ref == "vault://openai"
    (by_key,) = await put(platform, GIVEN)
    assert by_key.secret
    assert by_key.secret_ref is None


async def test_the_event_names_what_there_is_now(platform: MemoryPlatform) -> None:
    await put(platform, replace(GIVEN, name="b"), replace(GIVEN, name="a"))
    (event,) = platform.events
    assert event == ProviderUpdated(tenant_id=TENANT.id, providers=["b", "a"])


async def test_an_address_that_is_not_called_changes_nothing(platform: MemoryPlatform) -> None:
    with pytest.raises(EgressDenied):
        await put(platform, GIVEN, replace(GIVEN, name="evil", base_url="https://evil.test/v1"))
    assert not platform.providers
    assert not platform.events


async def test_an_unknown_tenant(platform: MemoryPlatform) -> None:
    platform.tenants.clear()
    with pytest.raises(TenantNotFound):
        await put(platform, GIVEN)
