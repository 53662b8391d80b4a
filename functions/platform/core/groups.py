"""A tenant's groups and who is in them."""

from collections.abc import Sequence
from dataclasses import replace

from functions.kit.clock import utc_now
from functions.kit.cursors import encode_cursor, id_in_cursor
from functions.kit.identifiers import is_id, new_id
from functions.kit.subjects import GroupUpdated
from functions.platform.core.member_errors import GroupNotFound, UnknownReference
from functions.platform.core.member_ports import Groups, Users
from functions.platform.core.members import Group, GroupChanges, User, UserFilter
from functions.platform.core.models import Slice
from functions.platform.core.ports import Events, Tenants
from functions.platform.core.users import existing_tenant, found_user


class ReadGroups:
    """Reads a tenant's groups."""

    def __init__(self, tenants: Tenants, groups: Groups, users: Users) -> None:
        self._tenants = tenants
        self._groups = groups
        self._users = users

    async def page(self, tenant_id: str, prefix: str, limit: int, cursor: str | None) -> Slice[Group]:
        """Groups whose name begins with the prefix, newest first.

        Raises:
            TenantNotFound: there is no such tenant.
            InvalidRequest: the cursor is not one of this listing.
        """
        before = id_in_cursor(cursor)
        tenant_id = await existing_tenant(self._tenants, tenant_id)
        found = await self._groups.some(tenant_id, prefix, limit + 1, before)
        page = tuple(found[:limit])
        return Slice(page, encode_cursor(page[-1].id) if len(found) > limit else None)

    async def members(self, tenant_id: str, group_id: str, limit: int, cursor: str | None) -> Slice[User]:
        """A group's users, newest first.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNotFound: it has no such group.
            InvalidRequest: the cursor is not one of this listing.
        """
        before = id_in_cursor(cursor)
        group = await _found(self._groups, await existing_tenant(self._tenants, tenant_id), group_id)
        found = await self._users.some(group.tenant_id, UserFilter(group_id=group.id), limit + 1, before)
        page = tuple(found[:limit])
        return Slice(page, encode_cursor(page[-1].id) if len(found) > limit else None)


class ManageGroups:
    """Makes, changes and removes a tenant's groups."""

    def __init__(self, tenants: Tenants, groups: Groups, events: Events) -> None:
        self._tenants = tenants
        self._groups = groups
        self._events = events

    async def create(self, tenant_id: str, name: str, description: str) -> Group:
        """Make a group with nobody in it.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNameTaken: another group has the name.
        """
        now = utc_now()
        group = Group(new_id(), await existing_tenant(self._tenants, tenant_id), name, description, 0, now, now)
        await self._groups.add(group)
        self._tell(group, "name", "description")
        return group

    async def update(self, tenant_id: str, group_id: str, changes: GroupChanges) -> Group:
        """Make the changes; where nothing is different afterwards nothing happened.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNotFound: it has no such group.
            GroupNameTaken: another group has the name.
        """
        before = await _found(self._groups, await existing_tenant(self._tenants, tenant_id), group_id)
        after = replace(before, **changes)
        if after == before:
            return before
        stored = await self._groups.change(after)
        self._tell(stored, *(name for name in changes if getattr(before, name) != getattr(after, name)))
        return stored

    async def remove(self, tenant_id: str, group_id: str) -> None:
        """Remove a group; its users and keys stay.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNotFound: it has no such group.
        """
        group = await _found(self._groups, await existing_tenant(self._tenants, tenant_id), group_id)
        await self._groups.remove(group.tenant_id, group.id)
        self._tell(group)

    def _tell(self, group: Group, *changed: str) -> None:
        data = GroupUpdated(tenant_id=group.tenant_id, group_id=group.id, changed=sorted(changed))
        self._events.publish(data, group.tenant_id)


class ManageMembers:
    """Puts users into groups and takes them out."""

    def __init__(self, tenants: Tenants, groups: Groups, users: Users, events: Events) -> None:
        self._tenants = tenants
        self._groups = groups
        self._users = users
        self._events = events

    async def add(self, tenant_id: str, group_id: str, user_id: str) -> None:
        """Put a user into a group; sound to repeat.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNotFound: it has no such group.
            UserNotFound: it has no such user.
        """
        group = await self._group(tenant_id, group_id)
        user = await found_user(self._users, group.tenant_id, user_id)
        if await self._groups.add_member(group.tenant_id, group.id, user.id):
            self._tell(group)

    async def remove(self, tenant_id: str, group_id: str, user_id: str) -> None:
        """Take a user out of a group; sound to repeat.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNotFound: it has no such group.
        """
        group = await self._group(tenant_id, group_id)
        if is_id(user_id) and await self._groups.remove_member(group.tenant_id, group.id, user_id):
            self._tell(group)

    async def replace(self, tenant_id: str, group_id: str, user_ids: Sequence[str]) -> None:
        """Make these users all that are in a group.

        Raises:
            TenantNotFound: there is no such tenant.
            GroupNotFound: it has no such group.
            UnknownReference: one is no user of the tenant.
        """
        group = await self._group(tenant_id, group_id)
        strangers = [user_id for user_id in user_ids if not is_id(user_id)]
        if strangers:
            raise UnknownReference("the tenant has no such user", details={"userIds": strangers[:20]})
        if await self._groups.set_members(group.tenant_id, group.id, sorted(set(user_ids))):
            self._tell(group)

    async def _group(self, tenant_id: str, group_id: str) -> Group:
        return await _found(self._groups, await existing_tenant(self._tenants, tenant_id), group_id)

    def _tell(self, group: Group) -> None:
        data = GroupUpdated(tenant_id=group.tenant_id, group_id=group.id, changed=["members"])
        self._events.publish(data, group.tenant_id)


async def _found(groups: Groups, tenant_id: str, group_id: str) -> Group:
    group = await groups.find(tenant_id, group_id) if is_id(group_id) else None
    if group is None:
        raise GroupNotFound("the tenant has no such group")
    return group
