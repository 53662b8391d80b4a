"""Users and groups of a tenant as the use cases know them, and who may do what to whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from functions.kit.principal import Principal, Role
from functions.platform.core.member_errors import RoleTooHigh

_RANKS = (Role.USER, Role.ADMIN, Role.SUPERADMIN)


class UserStatus(StrEnum):
    """A user's life. Who is invited or active may call; who was removed is known only to be refused."""

    INVITED = "invited"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class User:
    """A user of a tenant.

    Attributes:
        subject: the identity provider's name of the account; None until the account is known.
        groups: ids of the groups the user is in.
    """

    id: str
    tenant_id: str
    subject: str | None
    email: str
    name: str | None
    role: Role
    status: UserStatus
    groups: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def is_acting_admin(self) -> bool:
        """Whether this user can manage the tenant now."""
        return self.status is UserStatus.ACTIVE and self.role is not Role.USER


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user as registered.

    Attributes:
        subject: the account, where it is known already; else the user is invited.
    """

    email: str
    role: Role = Role.USER
    name: str | None = None
    subject: str | None = None
    groups: tuple[str, ...] = ()


class UserChanges(TypedDict, total=False):
    """What is to change of a user; what is left out stays."""

    name: str | None
    role: Role
    status: UserStatus
    subject: str


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users to list.

    Attributes:
        prefix: how the address or the name begins, in either case.
    """

    status: UserStatus | None = None
    role: Role | None = None
    group_id: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of users.

    Attributes:
        members: how many there are.
    """

    id: str
    tenant_id: str
    name: str
    description: str
    members: int
    created_at: datetime
    updated_at: datetime


class GroupChanges(TypedDict, total=False):
    """What is to change of a group; what is left out stays."""

    name: str
    description: str


def ensure_rank(caller: Principal, *roles: Role) -> None:
    """Let nobody give a role above the own, or touch somebody who has one: whatever policies allow besides.

    Raises:
        RoleTooHigh: the caller's highest role is below one of them.
    """
    own = _rank(caller.roles)
    if any(_RANKS.index(role) > own for role in roles):
        raise RoleTooHigh("this takes a role that you do not have yourself", details={"roles": sorted(set(roles))})


def _rank(roles: Iterable[Role]) -> int:
    return max((_RANKS.index(role) for role in roles), default=0)
