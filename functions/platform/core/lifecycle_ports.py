"""What follows from an account's life at the identity provider, and what that needs from the outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from functions.platform.core.members import User, UserStatus


class AccountStatus(StrEnum):
    """An account's life. A deleted one never comes back: the provider gives its name to nobody else."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ToldAccount:
    """What the provider says of an account.

    Attributes:
        email: verified by the provider.
        at: when that became so; what was said earlier and arrives later counts for nothing.
    """

    subject: str
    email: str | None
    name: str | None
    status: AccountStatus
    at: datetime


class AccountRegister(Protocol):
    """What the provider has said so far, and the users it is about, within the unit of work."""

    async def tell_account(self, account: ToldAccount) -> bool:
        """Remember what was said of an account; False when something as late or later is known."""
        ...

    async def account(self, subject: str) -> ToldAccount | None:
        """What was said last."""
        ...

    async def tell_membership(self, organization_id: str, subject: str, at: datetime, *, member: bool) -> bool:
        """Remember who is in an organisation; False when something as late or later is known."""
        ...

    async def members(self, organization_id: str) -> Sequence[str]:
        """The accounts that are in an organisation."""
        ...

    async def tell_organization(self, organization_id: str, tenant_id: str, at: datetime) -> bool:
        """Remember whose an organisation is; False when that is known, or something later."""
        ...

    async def forget_organization(self, organization_id: str) -> None:
        """It is nobody's any more."""
        ...

    async def tenant_of(self, organization_id: str) -> str | None:
        """The tenant that an organisation stands for."""
        ...

    async def is_member_elsewhere(self, tenant_id: str, subject: str, organization_id: str) -> bool:
        """Whether an account is in another organisation of the same tenant."""
        ...

    async def living(self, subject: str, tenant_id: str | None = None) -> Sequence[User]:
        """The users of an account, of one tenant or of all, held until the unit of work ends; none who was removed."""
        ...

    async def set_status(self, user: User, status: UserStatus) -> None:
        """Let a user be what the provider says."""
        ...

    async def reinstate(self, user: User) -> bool:
        """Let a user call again; False when it was not the provider that had the user deactivated."""
        ...

    async def describe(self, user: User, email: str | None, name: str | None) -> bool:
        """Correct address and name; False when nothing was different, or the address is another user's."""
        ...

    async def address_is_free(self, tenant_id: str, email: str, subject: str) -> bool:
        """Whether no other account of the tenant has the address."""
        ...

    async def subject_of(self, tenant_id: str, user_id: str) -> str | None:
        """The account of a user, removed ones included."""
        ...


class EndsSessions(Protocol):
    """The sessions of browsers."""

    async def end_all(self, subject: str, tenant_id: str | None = None) -> int:
        """End those of an account, all or with one tenant."""
        ...
