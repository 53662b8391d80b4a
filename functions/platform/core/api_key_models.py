"""API keys as the use cases know them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from functions.kit.principal import API_KEY_PREFIX, Role
from functions.platform.core.members import UserStatus
from functions.platform.core.models import IssuedKey


class ApiKeyStatus(StrEnum):
    """Whether a key is good, and if not why. Only what is suspended with its user comes back."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key as asked for.

    Attributes:
        models: what it may call, as `provider/model` or `model`; empty for all.
    """

    name: str
    role: Role
    user_id: str | None = None
    group_id: str | None = None
    expires_at: datetime | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key; its secret is known to nobody.

    Attributes:
        user_status: of the user it belongs to, if to any.
        last_used_at: to the minute; None where it was never used for a metered call.
    """

    id: str
    tenant_id: str
    name: str
    role: Role
    user_id: str | None
    group_id: str | None
    models: tuple[str, ...]
    hint: str | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    rotated_at: datetime | None = None
    last_used_at: datetime | None = None
    user_status: UserStatus | None = None

    @property
    def masked(self) -> str:
        """What may be shown of the secret."""
        return f"{API_KEY_PREFIX}…{self.hint or ''}"

    def status(self, now: datetime) -> ApiKeyStatus:
        """Whether it is good."""
        if self.revoked_at is not None:
            return ApiKeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return ApiKeyStatus.EXPIRED
        if self.user_status in {UserStatus.DEACTIVATED, UserStatus.REMOVED}:
            return ApiKeyStatus.SUSPENDED
        return ApiKeyStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class ShownApiKey:
    """A key with its secret, at the only moment that is known."""

    key: ApiKey
    issued: IssuedKey


@dataclass(frozen=True, slots=True)
class ApiKeyFilter:
    """Which keys to list; a status of ACTIVE leaves out those that are not good."""

    user_id: str | None = None
    group_id: str | None = None
    status: ApiKeyStatus | None = None
