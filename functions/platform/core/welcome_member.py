"""Somebody whom the identity provider vouches for comes in: the tenant's register is brought up to date."""

from dataclasses import dataclass, replace

from functions.kit.clock import utc_now
from functions.kit.context import suspect
from functions.kit.identifiers import new_id
from functions.kit.members import UserDeactivated
from functions.kit.principal import Principal, Role
from functions.kit.subjects import UserUpdated
from functions.kit.tenancy import TenantSuspended
from functions.platform.core.member_ports import Users
from functions.platform.core.members import User, UserStatus
from functions.platform.core.models import TenantStatus
from functions.platform.core.ports import Events, Tenants
from functions.platform.core.sign_in_ports import Accounts, Registered
from functions.platform.core.users import locked_tenant

_ALL = ("email", "groups", "name", "role", "status", "subject")
_WELCOME = frozenset({UserStatus.INVITED, UserStatus.ACTIVE})


@dataclass(frozen=True, slots=True)
class Visitor:
    """An account as the provider describes it.

    Attributes:
        email: an address that the provider has verified.
        role: of the tenant, as the provider sees it; None where it did not say.
    """

    subject: str
    email: str | None
    name: str | None
    role: Role | None


class WelcomeMember:
    """Registers an account with a tenant, or finds it there.

    A role counts from the side where it was changed last: a user begins with the provider's, an admin may change it
    here, and the provider's counts again once it is another than the provider's of before.
    """

    def __init__(self, tenants: Tenants, users: Users, accounts: Accounts, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._accounts = accounts
        self._events = events

    async def __call__(self, tenant_id: str, visitor: Visitor, organization_id: str | None) -> None:
        """Bring the register up to date.

        Raises:
            TenantNotFound: there is no such tenant.
            TenantSuspended: it may not be used now.
            UserDeactivated: the tenant has deactivated or removed the user.
            EmailTaken: another account of the tenant has the address.
        """
        tenant = await locked_tenant(self._tenants, tenant_id)
        # Should it be refused from here on, that belongs into this tenant's audit trail.
        suspect(Principal(visitor.subject, "user", tenant.id, frozenset({visitor.role} if visitor.role else ())))
        if tenant.status is not TenantStatus.ACTIVE:
            raise TenantSuspended(f"the tenant is {tenant.status}")
        if organization_id is not None:
            await self._accounts.link(organization_id, tenant.id)
        found = await self._accounts.find(tenant.id, visitor.subject, visitor.email)
        if found is None or (found.user.status is UserStatus.REMOVED and found.ended_by_provider):
            await self._register(tenant.id, visitor)
            return
        # What the provider has ended it may begin again, though nobody heard of that.
        if found.user.status not in _WELCOME and not found.ended_by_provider:
            raise UserDeactivated(f"the user was {found.user.status}")
        await self._update(found, visitor)

    async def _register(self, tenant_id: str, visitor: Visitor) -> None:
        if visitor.email is None:
            # The register knows people by address. Without one the token alone speaks for its bearer.
            return
        now = utc_now()
        user = User(
            id=new_id(),
            tenant_id=tenant_id,
            subject=visitor.subject,
            email=visitor.email,
            name=visitor.name,
            role=visitor.role or Role.USER,
            status=UserStatus.ACTIVE,
            groups=(),
            created_at=now,
            updated_at=now,
        )
        await self._users.add(user)
        if visitor.role is not None:
            await self._accounts.note(user, visitor.role)
        self._say(user, _ALL)

    async def _update(self, found: Registered, visitor: Visitor) -> None:
        before, told = found.user, found.told_role
        said = told if visitor.role is None else visitor.role
        role = said if told is not None and said is not None and said is not told else before.role
        after = replace(
            before, subject=visitor.subject, status=UserStatus.ACTIVE, role=role, name=before.name or visitor.name
        )
        if before.is_acting_admin and not after.is_acting_admin and not await self._has_other_admin(before):
            after = replace(after, role=before.role)
        if said is not None and said is not told:
            await self._accounts.note(after, said)
        changed = [name for name in _ALL if getattr(after, name) != getattr(before, name)]
        if changed:
            await self._users.change(after)
            self._say(after, changed)

    async def _has_other_admin(self, user: User) -> bool:
        return await self._users.has_other_admin(user.tenant_id, user.id)

    def _say(self, user: User, changed: "list[str] | tuple[str, ...]") -> None:
        told = UserUpdated(tenant_id=user.tenant_id, user_id=user.id, status=user.status.value, changed=list(changed))
        self._events.publish(told, user.tenant_id)
