"""The subjects of the event bus and what each one says: the only contract between contexts besides HTTP."""

from collections.abc import Iterator
from datetime import datetime
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


class ProviderUpdated(EventData):
    """A tenant's provider configuration has changed."""

    subject: ClassVar[str] = "provider.updated"
    tenant_id: str
    providers: list[str] = Field(description="Names of the providers there are now.")


class UsageRecord(ApiModel):
    """One metered call. Tokens are the provider's own count unless `estimated`."""

    usage_id: str
    tenant_id: str
    at: datetime
    provider: str
    model: str
    operation: Literal["chat", "embeddings"]
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cached: Literal["miss", "hit", "semantic"] = "miss"
    saved_tokens: int = Field(0, ge=0, description="Tokens that a cached answer did not cost.")
    cost_micro_usd: int = Field(ge=0, description="Millionths of a US dollar.")
    status: Literal["ok", "error", "cancelled"] = "ok"
    api_key_id: str | None = None
    user_id: str | None = None
    request_id: str = ""
    latency_ms: int = Field(0, ge=0)
    estimated: bool = False


class QuotaUpdated(EventData):
    """Calls were metered; consumers count each record once by its `usageId`."""

    subject: ClassVar[str] = "quota.updated"
    tenant_id: str
    records: list[UsageRecord] = Field(min_length=1, max_length=1000)


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


def all_subjects() -> Iterator[type[EventData]]:
    """Every event of the platform, by subject."""
    yield from sorted(EventData.__subclasses__(), key=lambda kind: kind.subject)
