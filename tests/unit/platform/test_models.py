"""What tenants and providers are called, and what they show of themselves."""

import pytest

from functions.kit.clock import utc_now
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import IssuedKey, Plan, Provider, ProviderDraft, Tenant, TenantStatus, tenant_id_of

ID = "01a20a5b-f071-75aa-ae44-ab651a66cde1"


def test_database_and_role_are_named_after_the_id() -> None:
    tenant = Tenant(ID, "acme", "Acme", TenantStatus.ACTIVE, Plan.FREE, None, utc_now())
    assert tenant.database == tenant.database_role == "tenant_01a20a5bf07175aaae44ab651a66cde1"


def test_only_the_canonical_form_is_an_id() -> None:
    assert tenant_id_of(ID) == ID
    for text in (
        "",
        "x",
        "\0",
        ID.upper(),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        ID.replace("-", ""),
        f" {ID}",
        "\u0660" * 32,
    ):
        with pytest.raises(TenantNotFound):
            tenant_id_of(text)


def test_secrets_are_not_printed() -> None:
    now = utc_now()
    provider = Provider(
        ID, "p", "openai", None, (), None, None, secret=b"sealed", secret_ref=None, key_hint="cret", created_at=now,
        updated_at=now,
    )  # fmt: skip
    shown = repr((IssuedKey(ID, "secret"), ProviderDraft("p", "openai", api_key="secret"), provider))
    assert "secret'" not in shown
    assert "sealed" not in shown
