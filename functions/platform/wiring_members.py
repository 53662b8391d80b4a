"""The composition root of users, groups and API keys; all they do is done within the request's unit of work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.runtime import Runtime
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_api_keys import PostgresApiKeys
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.adapters.postgres_users import PostgresGroups, PostgresUsers
from functions.platform.core.api_keys import CreateApiKey, ListApiKeys, RevokeApiKey, RotateApiKey
from functions.platform.core.groups import ManageGroups, ManageMembers, ReadGroups
from functions.platform.core.users import CreateUser, ReadUsers, RemoveUser, UpdateUser


@dataclass(frozen=True, slots=True)
class Membership:
    """The use cases."""

    read_users: ReadUsers
    create_user: CreateUser
    update_user: UpdateUser
    remove_user: RemoveUser
    read_groups: ReadGroups
    groups: ManageGroups
    members: ManageMembers
    list_keys: ListApiKeys
    create_key: CreateApiKey
    rotate_key: RotateApiKey
    revoke_key: RevokeApiKey


@asynccontextmanager
async def membership(runtime: Runtime) -> AsyncIterator[Membership]:
    """Wire them."""
    tenants, events = PostgresTenants(runtime.databases), OutboxEvents()
    users, groups, keys = PostgresUsers(), PostgresGroups(), PostgresApiKeys()
    yield Membership(
        read_users=ReadUsers(tenants, users),
        create_user=CreateUser(tenants, users, events),
        update_user=UpdateUser(tenants, users, events),
        remove_user=RemoveUser(tenants, users, keys, events),
        read_groups=ReadGroups(tenants, groups, users),
        groups=ManageGroups(tenants, groups, events),
        members=ManageMembers(tenants, groups, users, events),
        list_keys=ListApiKeys(tenants, keys),
        create_key=CreateApiKey(tenants, users, keys, events),
        rotate_key=RotateApiKey(tenants, users, keys, events),
        revoke_key=RevokeApiKey(tenants, users, keys, events),
    )
