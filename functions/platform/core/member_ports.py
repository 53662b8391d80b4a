"""What users, groups and API keys need from the outside, all within the unit of work."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from functions.platform.core.api_key_models import ApiKey, ApiKeyFilter
from functions.platform.core.members import Group, User, UserFilter


class Users(Protocol):
    """A tenant's users."""

    async def add(self, user: User) -> None:
        """Register a user, with the groups.

        Raises:
            EmailTaken: the address is another user's.
            SubjectTaken: the account is another user's.
            UnknownReference: there is no such group in the tenant.
        """
        ...

    async def find(self, tenant_id: str, user_id: str) -> User | None:
        """The user; none who was removed."""
        ...

    async def some(self, tenant_id: str, wanted: UserFilter, limit: int, before: str | None) -> Sequence[User]:
        """Users, newest first, beginning after the one with the id `before`."""
        ...

    async def change(self, user: User) -> User:
        """Store all of a user that can change; gives it with the time of the change.

        Raises:
            SubjectTaken: the account is another user's.
        """
        ...

    async def remove(self, tenant_id: str, user_id: str) -> None:
        """Take a user out of all groups and forget all but the account, to refuse it by."""
        ...

    async def has_other_admin(self, tenant_id: str, user_id: str) -> bool:
        """Whether somebody else can manage the tenant."""
        ...


class Groups(Protocol):
    """A tenant's groups."""

    async def add(self, group: Group) -> None:
        """Make a group.

        Raises:
            GroupNameTaken: another has the name.
        """
        ...

    async def find(self, tenant_id: str, group_id: str) -> Group | None:
        """The group."""
        ...

    async def some(self, tenant_id: str, prefix: str, limit: int, before: str | None) -> Sequence[Group]:
        """Groups, newest first, beginning after the one with the id `before`."""
        ...

    async def change(self, group: Group) -> Group:
        """Store all of a group that can change; gives it with the time of the change.

        Raises:
            GroupNameTaken: another has the name.
        """
        ...

    async def remove(self, tenant_id: str, group_id: str) -> None:
        """Remove a group; its members stay users, and its keys keys."""
        ...

    async def add_member(self, tenant_id: str, group_id: str, user_id: str) -> bool:
        """Add a user; False when the user was in it already."""
        ...

    async def remove_member(self, tenant_id: str, group_id: str, user_id: str) -> bool:
        """Take a user out; False when the user was not in it."""
        ...

    async def set_members(self, tenant_id: str, group_id: str, user_ids: Sequence[str]) -> bool:
        """Make these users all its members; False when they were so already.

        Raises:
            UnknownReference: one is no user of the tenant.
        """
        ...


class ApiKeys(Protocol):
    """A tenant's API keys. A secret is known here by its hash alone."""

    async def add(self, key: ApiKey, key_hash: str) -> None:
        """Enter a key.

        Raises:
            UnknownReference: its group is none of the tenant's.
        """
        ...

    async def lock(self, tenant_id: str, key_id: str) -> ApiKey | None:
        """The key, with other changes to it held off until the unit of work ends."""
        ...

    async def some(self, tenant_id: str, wanted: ApiKeyFilter, limit: int, before: str | None) -> Sequence[ApiKey]:
        """Keys, newest first, beginning after the one with the id `before`."""
        ...

    async def rotate(self, key: ApiKey, key_hash: str, former_until: datetime) -> None:
        """Give a key another secret; those it had before are good until then at the latest."""
        ...

    async def revoke(self, tenant_id: str, key_id: str, now: datetime) -> None:
        """End a key for ever."""
        ...

    async def revoke_of_user(self, tenant_id: str, user_id: str, now: datetime) -> Sequence[str]:
        """End all keys of a user for ever; gives their ids."""
        ...

    async def used(self, tenant_id: str, moments: Mapping[str, datetime]) -> None:
        """Note when keys were used last; what is within a minute of what is known may be left out."""
        ...
