"""What is said of tenants: what they are, who may call for them, what is changed."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from functions.kit.events import EventData
from functions.kit.models import ApiModel


class TenantCreated(EventData):
    """A tenant is provisioned: its database exists and its first API key works."""

    subject: ClassVar[str] = "tenant.created"
    tenant_id: str
    name: str
    slug: str
    plan: str
    region: str | None = None
    database: str


class TenantUpdated(EventData):
    """Something about a tenant that others cache has changed."""

    subject: ClassVar[str] = "tenant.updated"
    tenant_id: str
    changed: list[str] = Field(description="Names of the fields that changed.")


class AuditRecorded(EventData):
    """A call changed something in a tenant's database; its record was committed there and goes on to its chain."""

    subject: ClassVar[str] = "audit.recorded"
    chain: str = Field(description="The tenant's id, or `platform`.")
    record: str = Field(description="Canonical JSON, as docs/audit.md describes it.")


class ProviderUpdated(EventData):
    """A tenant's provider configuration has changed."""

    subject: ClassVar[str] = "provider.updated"
    tenant_id: str
    providers: list[str] = Field(description="Names of the providers there are now.")


class PolicyUpdated(EventData):
    """Access policies have changed: a tenant's, or the platform's own."""

    subject: ClassVar[str] = "policy.updated"
    tenant_id: str | None = Field(description="The tenant whose policies they are; null for the platform's.")
    version: int = Field(description="Grows with every change of any policies.")


class FlagState(ApiModel):
    """What a feature flag is: for the platform, or for one tenant."""

    enabled: bool
    value: Any = Field(None, description="String, integer, boolean or JSON, as the flag is declared.")
    percentage: float | None = Field(None, description="Of tenants or users the flag is on for; null for all.")


class FlagUpdated(EventData):
    """A feature flag has changed: its default, or what it is for one tenant."""

    subject: ClassVar[str] = "flag.updated"
    name: str
    tenant_id: str | None = Field(None, description="Null when the platform's default has changed.")
    previous: FlagState
    current: FlagState
    changed_by: str = Field(description="Subject of the credential, or `flagsmith` where it was changed there.")


class KeyCreated(EventData):
    """A tenant has an API key more."""

    subject: ClassVar[str] = "key.created"
    tenant_id: str
    key_id: str


class KeyRotated(EventData):
    """An API key has a new secret."""

    subject: ClassVar[str] = "key.rotated"
    tenant_id: str
    key_id: str
    grace_seconds: int = Field(description="How long the secret before it is still good.")


class KeyRevoked(EventData):
    """An API key is no longer good."""

    subject: ClassVar[str] = "key.revoked"
    tenant_id: str
    key_id: str


class UserUpdated(EventData):
    """A tenant's user was registered, changed or removed."""

    subject: ClassVar[str] = "user.updated"
    tenant_id: str
    user_id: str
    status: Literal["invited", "active", "deactivated", "removed"]
    changed: list[str] = Field(description="Names of the fields that changed; all of them for a new user.")


class AccountEnded(EventData):
    """An account was suspended or deleted at the identity provider, with whatever tenants it had to do."""

    subject: ClassVar[str] = "account.ended"
    account: str = Field(description="The account, as tokens name it (claim `sub`).")
    reason: Literal["suspended", "deleted"]


class GroupUpdated(EventData):
    """A tenant's group was made, changed or removed, or has other members."""

    subject: ClassVar[str] = "group.updated"
    tenant_id: str
    group_id: str
    changed: list[str] = Field(description="Names of the fields that changed, `members` among them; empty: removed.")
