"""For whom work is done after whoever asked has left, as it is stored."""

from collections.abc import Mapping
from typing import Any

from functions.kit.principal import Role
from functions.kit.service_tokens import OnBehalf


def behalf_fields(behalf: OnBehalf) -> Mapping[str, Any]:
    """What is stored; the tenant is that of the database."""
    return {
        "userId": behalf.user_id,
        "apiKeyId": behalf.api_key_id,
        "groups": sorted(behalf.groups),
        "roles": sorted(behalf.roles),
        "models": sorted(behalf.models),
    }


def behalf_of(fields: Mapping[str, Any], tenant_id: str) -> OnBehalf:
    """What was stored."""
    return OnBehalf(
        tenant_id,
        fields["userId"],
        fields["apiKeyId"],
        frozenset(fields["groups"]),
        frozenset(Role(role) for role in fields["roles"]),
        frozenset(fields["models"]),
    )
