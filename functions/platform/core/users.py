"""A tenant's users: registered, listed, changed, removed."""

from dataclasses import fields, replace

from functions.kit.clock import utc_now
from functions.kit.cursors import encode_cursor, id_in_cursor
from functions.kit.identifiers import is_id, new_id
from functions.kit.principal import Principal
from functions.kit.subjects import KeyRevoked, UserUpdated
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.member_errors import LastAdmin, UserNotFound
from functions.platform.core.member_ports import ApiKeys, Users
from functions.platform.core.members import (
    NewUser,
    User,
    UserChanges,
    UserFilter,
    UserStatus,
    ensure_rank,
)
from functions.platform.core.models import Slice, Tenant, tenant_id_of
from functions.platform.core.ports import Events, Tenants

_ALL = ("email", "name", "role", "status", "subject", "groups")


class ReadUsers:
    """Reads a tenant's users."""

    def __init__(self, tenants: Tenants, users: Users) -> None:
        self._tenants = tenants
        self._users = users

    async def one(self, tenant_id: str, user_id: str) -> User:
        """One user.

        Raises:
            TenantNotFound: there is no such tenant.
            UserNotFound: it has no such user.
        """
        return await found_user(self._users, await existing_tenant(self._tenants, tenant_id), user_id)

    async def page(self, tenant_id: str, wanted: UserFilter, limit: int, cursor: str | None) -> Slice[User]:
        """Those wanted, newest first.

        Raises:
            TenantNotFound: there is no such tenant.
            InvalidRequest: the cursor is not one of this listing.
        """
        before = id_in_cursor(cursor)
        tenant_id = await existing_tenant(self._tenants, tenant_id)
        if wanted.group_id is not None and not is_id(wanted.group_id):
            return Slice((), None)
        found = await self._users.some(tenant_id, wanted, limit + 1, before)
        page = tuple(found[:limit])
        return Slice(page, encode_cursor(page[-1].id) if len(found) > limit else None)


class CreateUser:
    """Registers a user."""

    def __init__(self, tenants: Tenants, users: Users, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._events = events

    async def __call__(self, caller: Principal, tenant_id: str, wanted: NewUser) -> User:
        """Register somebody: active where the account is known, else invited.

        Raises:
            RoleTooHigh: the role is above the caller's own.
            TenantNotFound: there is no such tenant.
            EmailTaken: the address is another user's.
            SubjectTaken: the account is another user's.
            UnknownReference: the tenant has no such group.
        """
        ensure_rank(caller, wanted.role)
        now = utc_now()
        user = User(
            id=new_id(),
            tenant_id=await existing_tenant(self._tenants, tenant_id),
            subject=wanted.subject,
            email=wanted.email,
            name=wanted.name,
            role=wanted.role,
            status=UserStatus.ACTIVE if wanted.subject else UserStatus.INVITED,
            groups=tuple(dict.fromkeys(wanted.groups)),
            created_at=now,
            updated_at=now,
        )
        await self._users.add(user)
        self._events.publish(_told(user, _ALL), user.tenant_id)
        return user


class UpdateUser:
    """Changes a user."""

    def __init__(self, tenants: Tenants, users: Users, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._events = events

    async def __call__(self, caller: Principal, tenant_id: str, user_id: str, changes: UserChanges) -> User:
        """Make the changes; where nothing is different afterwards nothing happened.

        Raises:
            TenantNotFound: there is no such tenant.
            UserNotFound: it has no such user.
            RoleTooHigh: the user's role, before or after, is above the caller's own.
            LastAdmin: nobody else could manage the tenant afterwards.
            SubjectTaken: the account is another user's.
        """
        tenant = await locked_tenant(self._tenants, tenant_id)
        before = await found_user(self._users, tenant.id, user_id)
        after = _settled(replace(before, **changes))
        ensure_rank(caller, before.role, after.role)
        different = [f.name for f in fields(User) if getattr(after, f.name) != getattr(before, f.name)]
        if not different:
            return before
        if before.is_acting_admin and not after.is_acting_admin:
            await keep_an_admin(self._users, before)
        stored = await self._users.change(after)
        self._events.publish(_told(stored, different), tenant.id)
        return stored


class RemoveUser:
    """Removes a user."""

    def __init__(self, tenants: Tenants, users: Users, keys: ApiKeys, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._keys = keys
        self._events = events

    async def __call__(self, caller: Principal, tenant_id: str, user_id: str) -> None:
        """Remove somebody and end the keys; tokens that are still out are refused as those of a deactivated user.

        Raises:
            TenantNotFound: there is no such tenant.
            UserNotFound: it has no such user.
            RoleTooHigh: the user's role is above the caller's own.
            LastAdmin: nobody else could manage the tenant afterwards.
        """
        tenant = await locked_tenant(self._tenants, tenant_id)
        user = await found_user(self._users, tenant.id, user_id)
        ensure_rank(caller, user.role)
        if user.is_acting_admin:
            await keep_an_admin(self._users, user)
        for key_id in await self._keys.revoke_of_user(tenant.id, user.id, utc_now()):
            self._events.publish(KeyRevoked(tenant_id=tenant.id, key_id=key_id), tenant.id)
        await self._users.remove(tenant.id, user.id)
        self._events.publish(_told(replace(user, status=UserStatus.REMOVED), _ALL), tenant.id)


async def locked_tenant(tenants: Tenants, tenant_id: str) -> Tenant:
    """The tenant, with other changes to it and its users held off.

    Raises:
        TenantNotFound: there is none.
    """
    tenant = await tenants.lock(tenant_id_of(tenant_id))
    if tenant is None:
        raise TenantNotFound("there is no such tenant")
    return tenant


async def found_user(users: Users, tenant_id: str, user_id: str) -> User:
    """The user.

    Raises:
        UserNotFound: the tenant has none of that id.
    """
    user = await users.find(tenant_id, user_id) if is_id(user_id) else None
    if user is None:
        raise UserNotFound("the tenant has no such user")
    return user


async def keep_an_admin(users: Users, leaving: User) -> None:
    """See that somebody is left to manage the tenant; the tenant must be locked, or two could leave at once.

    Raises:
        LastAdmin: nobody is.
    """
    if not await users.has_other_admin(leaving.tenant_id, leaving.id):
        raise LastAdmin("the tenant would have no admin; make somebody else one first")


async def existing_tenant(tenants: Tenants, tenant_id: str) -> str:
    """The id of a tenant that there is.

    Raises:
        TenantNotFound: there is none.
    """
    tenant = await tenants.find(tenant_id_of(tenant_id))
    if tenant is None:
        raise TenantNotFound("there is no such tenant")
    return tenant.id


def _settled(user: User) -> User:
    """Whose account is not known is invited rather than active, and the other way round."""
    if user.status is UserStatus.ACTIVE and user.subject is None:
        return replace(user, status=UserStatus.INVITED)
    if user.status is UserStatus.INVITED and user.subject is not None:
        return replace(user, status=UserStatus.ACTIVE)
    return user


def _told(user: User, changed: "list[str] | tuple[str, ...]") -> UserUpdated:
    return UserUpdated(tenant_id=user.tenant_id, user_id=user.id, status=user.status.value, changed=sorted(changed))
