"""Users and groups in the platform database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from functions.kit.database import connection
from functions.kit.principal import Role
from functions.platform.core.member_errors import (
    EmailTaken,
    GroupNameTaken,
    GroupNotFound,
    SubjectTaken,
    UnknownReference,
)
from functions.platform.core.members import Group, User, UserFilter, UserStatus

# Groups are read by a subquery a row: a page has few rows, and the planner needs no grouping for them.
USER_COLUMNS = """
    u.id::text, u.tenant_id::text, u.subject, u.email, u.name, u.role, u.status,
    ARRAY(SELECT m.group_id::text FROM group_members m WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id
          ORDER BY m.group_id) AS groups,
    u.created_at, u.updated_at
"""
_ADD_USER = """
    INSERT INTO users (id, tenant_id, subject, email, name, role, status, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
"""
_CHANGE_USER = """
    UPDATE users SET subject = $3, name = $4, role = $5, status = $6, updated_at = clock_timestamp(),
                     ended_by_provider = ended_by_provider AND status = $6
    WHERE tenant_id = $1 AND id = $2 RETURNING updated_at
"""
_REMOVE_USER = """
    UPDATE users SET status = 'removed', email = NULL, name = NULL, role = 'user', updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2
"""
_OTHER_ADMIN = """
    SELECT EXISTS (SELECT FROM users
                   WHERE tenant_id = $1 AND id <> $2 AND role IN ('admin', 'superadmin') AND status = 'active')
"""
_GROUP = """
    g.id::text, g.tenant_id::text, g.name, g.description,
    (SELECT count(*) FROM group_members m WHERE m.group_id = g.id) AS members, g.created_at, g.updated_at
"""
_CHANGE_GROUP = """
    UPDATE groups SET name = $3, description = $4, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2 RETURNING updated_at
"""
_ADD_MEMBERS = """
    INSERT INTO group_members (tenant_id, group_id, user_id)
    SELECT tenant_id, $2, id FROM users WHERE tenant_id = $1 AND id = ANY($3::uuid[]) AND status <> 'removed'
    ORDER BY id
    ON CONFLICT DO NOTHING
"""
_DROP_MEMBERS = "DELETE FROM group_members WHERE tenant_id = $1 AND group_id = $2 AND user_id <> ALL($3::uuid[])"
_STRANGERS = """
    SELECT id::text FROM unnest($2::uuid[]) AS given(id)
    WHERE NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = $1 AND u.id = given.id AND u.status <> 'removed')
    LIMIT 20
"""


class PostgresUsers:
    """Port `Users`."""

    async def add(self, user: User) -> None:
        """Register a user, with the groups."""
        session = await connection()
        with _telling_what_is_taken():
            await session.execute(
                _ADD_USER,
                user.id,
                user.tenant_id,
                user.subject,
                user.email,
                user.name,
                user.role,
                user.status,
                user.created_at,
            )
        for group_id in user.groups:
            try:
                await session.execute(
                    "INSERT INTO group_members (tenant_id, group_id, user_id) VALUES ($1, $2, $3)",
                    user.tenant_id,
                    group_id,
                    user.id,
                )
            except (asyncpg.ForeignKeyViolationError, asyncpg.DataError) as error:
                raise UnknownReference("the tenant has no such group", details={"groups": [group_id]}) from error

    async def find(self, tenant_id: str, user_id: str) -> User | None:
        """The user; none who was removed."""
        query = f"SELECT {USER_COLUMNS} FROM users u WHERE tenant_id = $1 AND id = $2 AND status <> 'removed'"  # noqa: S608
        row = await (await connection()).fetchrow(query, tenant_id, user_id)
        return user_of(dict(row)) if row else None

    async def some(self, tenant_id: str, wanted: UserFilter, limit: int, before: str | None) -> Sequence[User]:
        """By id, which is by time: ids are UUIDv7."""
        query = f"""
            SELECT {USER_COLUMNS} FROM users u
            WHERE tenant_id = $1 AND ($3::uuid IS NULL OR id < $3) AND status <> 'removed'
              AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR role = $5)
              AND ($6::uuid IS NULL OR EXISTS (SELECT FROM group_members m WHERE m.group_id = $6 AND m.user_id = u.id))
              AND ($7 = '' OR starts_with(lower(email), lower($7)) OR starts_with(lower(name), lower($7)))
            ORDER BY id DESC LIMIT $2
        """  # noqa: S608 - the columns are ours
        rows = await (await connection()).fetch(
            query, tenant_id, limit, before, wanted.status, wanted.role, wanted.group_id, wanted.prefix
        )
        return [user_of(dict(row)) for row in rows]

    async def change(self, user: User) -> User:
        """Store all of a user that can change; gives it with the time of the change."""
        session = await connection()
        with _telling_what_is_taken():
            updated_at = await session.fetchval(
                _CHANGE_USER, user.tenant_id, user.id, user.subject, user.name, user.role, user.status
            )
        return replace(user, updated_at=updated_at)

    async def remove(self, tenant_id: str, user_id: str) -> None:
        """Take a user out of all groups and forget all but the account, to refuse it by."""
        session = await connection()
        await session.execute("DELETE FROM group_members WHERE tenant_id = $1 AND user_id = $2", tenant_id, user_id)
        await session.execute(_REMOVE_USER, tenant_id, user_id)

    async def has_other_admin(self, tenant_id: str, user_id: str) -> bool:
        """Whether somebody else can manage the tenant."""
        return bool(await (await connection()).fetchval(_OTHER_ADMIN, tenant_id, user_id))


class PostgresGroups:
    """Port `Groups`."""

    async def add(self, group: Group) -> None:
        """Make a group."""
        session = await connection()
        with _telling_what_is_taken():
            await session.execute(
                "INSERT INTO groups (id, tenant_id, name, description, created_at, updated_at)"
                " VALUES ($1, $2, $3, $4, $5, $5)",
                group.id,
                group.tenant_id,
                group.name,
                group.description,
                group.created_at,
            )

    async def find(self, tenant_id: str, group_id: str) -> Group | None:
        """The group."""
        query = f"SELECT {_GROUP} FROM groups g WHERE tenant_id = $1 AND id = $2"  # noqa: S608 - the columns are ours
        row = await (await connection()).fetchrow(query, tenant_id, group_id)
        return Group(**dict(row)) if row else None

    async def some(self, tenant_id: str, prefix: str, limit: int, before: str | None) -> Sequence[Group]:
        """By id, which is by time: ids are UUIDv7."""
        query = f"""
            SELECT {_GROUP} FROM groups g
            WHERE tenant_id = $1 AND ($3::uuid IS NULL OR id < $3)
              AND ($4 = '' OR starts_with(lower(name), lower($4)))
            ORDER BY id DESC LIMIT $2
        """  # noqa: S608 - the columns are ours
        rows = await (await connection()).fetch(query, tenant_id, limit, before, prefix)
        return [Group(**dict(row)) for row in rows]

    async def change(self, group: Group) -> Group:
        """Store all of a group that can change; gives it with the time of the change."""
        session = await connection()
        with _telling_what_is_taken():
            updated_at = await session.fetchval(_CHANGE_GROUP, group.tenant_id, group.id, group.name, group.description)
        if updated_at is None:
            raise GroupNotFound("the tenant has no such group")
        return replace(group, updated_at=updated_at)

    async def remove(self, tenant_id: str, group_id: str) -> None:
        """Remove a group; its members stay users, and its keys keys."""
        await (await connection()).execute("DELETE FROM groups WHERE tenant_id = $1 AND id = $2", tenant_id, group_id)

    async def add_member(self, tenant_id: str, group_id: str, user_id: str) -> bool:
        """Add a user; False when the user was in it already."""
        await _hold(tenant_id, group_id)
        return _count(await (await connection()).execute(_ADD_MEMBERS, tenant_id, group_id, [user_id])) > 0

    async def remove_member(self, tenant_id: str, group_id: str, user_id: str) -> bool:
        """Take a user out; False when the user was not in it."""
        query = "DELETE FROM group_members WHERE tenant_id = $1 AND group_id = $2 AND user_id = $3"
        return _count(await (await connection()).execute(query, tenant_id, group_id, user_id)) > 0

    async def set_members(self, tenant_id: str, group_id: str, user_ids: Sequence[str]) -> bool:
        """Make these users all its members; False when they were so already."""
        await _hold(tenant_id, group_id)
        session = await connection()
        strangers = [row["id"] for row in await session.fetch(_STRANGERS, tenant_id, user_ids)]
        if strangers:
            raise UnknownReference("the tenant has no such user", details={"userIds": strangers})
        dropped = _count(await session.execute(_DROP_MEMBERS, tenant_id, group_id, user_ids))
        return dropped + _count(await session.execute(_ADD_MEMBERS, tenant_id, group_id, user_ids)) > 0


async def _hold(tenant_id: str, group_id: str) -> None:
    """Keep a group from being removed, or filled by somebody else at the same time, until the unit of work ends."""
    query = "SELECT true FROM groups WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"
    if not await (await connection()).fetchval(query, tenant_id, group_id):
        raise GroupNotFound("the tenant has no such group")


@contextmanager
def _telling_what_is_taken() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "users_by_email":
            raise EmailTaken("another user of the tenant has this address", details={"field": "email"}) from error
        if error.constraint_name == "users_by_subject":
            raise SubjectTaken("another user of the tenant has this account", details={"field": "subject"}) from error
        if error.constraint_name == "groups_by_name":
            raise GroupNameTaken("another group of the tenant has this name", details={"field": "name"}) from error
        raise


def _count(tag: str) -> int:
    """Rows that a statement changed, from Postgres' command tag."""
    return int(tag.rpartition(" ")[2])


def user_of(row: Mapping[str, Any]) -> User:
    """A user from those columns."""
    fields = {**dict(row), "groups": tuple(row["groups"])}
    return User(**{**fields, "role": Role(row["role"]), "status": UserStatus(row["status"])})
