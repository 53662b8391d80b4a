"""Tenants, providers and usage as the use cases know them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypedDict, TypeVar
from uuid import UUID

from functions.platform.core.errors import TenantNotFound


class TenantStatus(StrEnum):
    """A tenant's life: it calls only while active."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Plan(StrEnum):
    """What a tenant has subscribed to."""

    FREE = "free"
    STANDARD = "standard"
    ENTERPRISE = "enterprise"


ProviderKind = Literal["openai", "anthropic", "google", "vertex", "groq"]
Granularity = Literal["hour", "day", "month"]
UsageGroup = Literal["model", "provider", "user", "apiKey", "group", "cached", "operation"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Slice(Generic[Item]):
    """Part of a listing; `next_cursor` is None in the last."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What is asked for."""

    name: str
    slug: str
    plan: Plan = Plan.STANDARD
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. Its database and the role that may connect to it are named after its id.

    Attributes:
        branding: how its dashboards look, by the names of the wire.
        overrides: what it sets otherwise than the platform, by the names of `TenantSettings` on the wire.
    """

    id: str
    slug: str
    name: str
    status: TenantStatus
    plan: Plan
    region: str | None
    created_at: datetime
    branding: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    changed_at: datetime | None = None

    @property
    def updated_at(self) -> datetime:
        """When it was changed last, its making included."""
        return self.changed_at or self.created_at

    @property
    def version(self) -> str:
        """Differs whenever something about the tenant does."""
        return f"{int(self.updated_at.timestamp() * 1_000_000):x}"

    @property
    def database(self) -> str:
        """Name of the tenant's database."""
        return f"tenant_{UUID(self.id).hex}"

    @property
    def database_role(self) -> str:
        """Name of the role that may connect to it; role and database are namespaces of their own."""
        return self.database


class TenantChanges(TypedDict, total=False):
    """What is to change of a tenant; what is left out stays.

    `branding` and `overrides` are merged into what there is: a value of None takes the entry out (RFC 7396).
    """

    name: str
    status: TenantStatus
    plan: Plan
    region: str | None
    branding: Mapping[str, str | None]
    overrides: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """Which tenants to list.

    Attributes:
        prefix: how the name or the slug begins, in either case.
    """

    status: TenantStatus | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """An API key at the only moment its secret is known."""

    id: str
    secret: str = field(repr=False)

    @property
    def hint(self) -> str:
        """The end of the secret, to recognise the key by later: 24 of its 238 bits."""
        return self.secret[-4:]


@dataclass(frozen=True, slots=True)
class ProvisionedTenant:
    """A tenant that works, and the key to begin with."""

    tenant: Tenant
    api_key: IssuedKey


@dataclass(frozen=True, slots=True)
class ProviderDraft:
    """A provider as it is given.

    Attributes:
        api_key: None together with `secret_ref` None keeps what is stored under the name.
        base_url: None means the kind's own address.
    """

    name: str
    kind: ProviderKind
    api_key: str | None = field(default=None, repr=False)
    secret_ref: str | None = None
    base_url: str | None = None
    models: tuple[str, ...] = ()
    embedding_model: str | None = None
    default_model: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it is stored.

    Attributes:
        secret: the key under the tenant's data key; None where `secret_ref` names one kept elsewhere.
        key_hint: the end of the key, to recognise it by.
    """

    id: str
    name: str
    kind: ProviderKind
    base_url: str | None
    models: tuple[str, ...]
    embedding_model: str | None
    default_model: str | None
    secret: bytes | None = field(repr=False)
    secret_ref: str | None
    key_hint: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def key_masked(self) -> str | None:
        """What may be shown of the key."""
        return None if self.secret is None else f"…{self.key_hint or ''}"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which usage: hours from `start` (inclusive) to `end` (exclusive).

    Attributes:
        after: sort key of the last total seen: its start and its key.
    """

    tenant_id: str
    start: datetime
    end: datetime
    granularity: Granularity
    limit: int
    after: tuple[datetime, str, str] | None = None
    group_by: UsageGroup = "model"


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """What was used by a part of the calls in the hour, day or month that begins at `start`.

    Attributes:
        key: what the part has in common: provider and model, or one value and an empty text. A value that is empty
            stands for calls that have none: those of no user, say.
        requests: all calls, cached ones included.
        saved_tokens: what the cached ones would have taken.
        compression_saved_tokens: what prompts did not take because they were compressed.
        cached_prompt_tokens: of the prompts, what providers' own caches had; `cache_write_tokens` what they kept.
        reasoning_tokens: of the answers, thoughts.
    """

    start: datetime
    key: tuple[str, str]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_requests: int
    saved_tokens: int
    cost_micro_usd: int
    compression_saved_tokens: int = 0
    cached_prompt_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "UsageTotal":
        """From a row whose columns are named like the fields, but for `key` and `subkey`."""
        rest = {name: value for name, value in row.items() if name not in {"key", "subkey"}}
        return cls(key=(row["key"], row["subkey"]), **rest)


def tenant_id_of(text: str) -> str:
    """A tenant's id out of a path.

    Raises:
        TenantNotFound: it is no id, so no tenant has it.
    """
    try:
        if str(UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise TenantNotFound("there is no such tenant")
