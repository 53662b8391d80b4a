"""A tenant's users as every context sees them: whom a token speaks for, what that user may be, and in which groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.kit.database import Databases
from functions.kit.errors import Forbidden
from functions.kit.principal import Role
from functions.kit.stale_cache import StaleCache

# Somebody invited by address is found by it until the account is known. Of several rows the living one counts: who was
# removed may have been registered again. An address is too little to operate the platform by.
_FIND = """
    SELECT user_id, role, status, groups FROM (
        SELECT * FROM runtime.users WHERE tenant_id = $1 AND subject = $2
        UNION ALL
        SELECT * FROM runtime.users
        WHERE tenant_id = $1 AND subject IS NULL AND status <> 'removed' AND role <> 'superadmin'
          AND lower(email) = lower($3)
    ) found
    ORDER BY status = 'removed', subject IS NULL LIMIT 1
"""
_WELCOME = frozenset({"invited", "active"})


class UserDeactivated(Forbidden):
    """The credential's user exists and may not call now."""

    code = "user_deactivated"


@dataclass(frozen=True, slots=True)
class Account:
    """What a token says of a user within a tenant.

    Attributes:
        subject: the issuer's name of the user.
        email: an address that the issuer has verified.
    """

    tenant_id: str
    subject: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A registered user. What the register says of the role counts, whatever an older token claims."""

    user_id: str
    role: Role
    status: str
    groups: frozenset[str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Member":
        """From a row of `runtime.users`."""
        return cls(row["user_id"], Role(row["role"]), row["status"], frozenset(row["groups"]))

    def ensure_welcome(self) -> None:
        """Refuse a user who may not call.

        Raises:
            UserDeactivated: the user was deactivated or removed.
        """
        if self.status not in _WELCOME:
            raise UserDeactivated(f"the user was {self.status}")


class MemberDirectory:
    """Finds users by account, from memory for a few seconds and while the database is away."""

    def __init__(self, databases: Databases, *, fresh: float, stale: float) -> None:
        self._databases = databases
        self._cache: StaleCache[Account, Member | None] = StaleCache(self._load, fresh=fresh, stale=stale)

    async def find(self, account: Account) -> Member | None:
        """The user, removed ones included; None when the tenant has not registered the account.

        Raises:
            DependencyUnavailable: the database is away and the account is not known from before.
        """
        return await self._cache.get(account)

    def forget_all(self) -> None:
        """Ask for every user again at the next use."""
        self._cache.forget_all()

    async def _load(self, account: Account) -> Member | None:
        async with self._databases.acquire() as connection:
            row = await connection.fetchrow(_FIND, account.tenant_id, account.subject, account.email)
        return Member.of(dict(row)) if row else None
