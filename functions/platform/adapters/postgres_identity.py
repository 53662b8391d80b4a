"""What the identity provider has said of accounts and organisations, in the platform database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from functions.kit.database import connection
from functions.platform.adapters.postgres_users import USER_COLUMNS, user_of
from functions.platform.core.lifecycle_ports import AccountStatus, ToldAccount
from functions.platform.core.members import User, UserStatus

# What is known already stays unless this is later: deliveries may come twice and in any order. Deletion is final.
_TELL_ACCOUNT = """
    INSERT INTO identity_accounts AS known (subject, email, name, status, told_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (subject) DO UPDATE
        SET email = excluded.email, name = excluded.name, status = excluded.status, told_at = excluded.told_at
        WHERE known.told_at < excluded.told_at AND known.status <> 'deleted'
    RETURNING true
"""
_TELL_MEMBERSHIP = """
    INSERT INTO identity_memberships AS known (organization_id, subject, member, told_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, subject) DO UPDATE SET member = excluded.member, told_at = excluded.told_at
        WHERE known.told_at < excluded.told_at
    RETURNING true
"""
_TELL_ORGANIZATION = """
    INSERT INTO identity_organizations AS known (organization_id, tenant_id, told_at) VALUES ($1, $2, $3)
    ON CONFLICT (organization_id) DO UPDATE SET tenant_id = excluded.tenant_id, told_at = excluded.told_at
        WHERE known.told_at < excluded.told_at AND known.tenant_id <> excluded.tenant_id
    RETURNING true
"""
_ELSEWHERE = """
    SELECT EXISTS (
        SELECT FROM identity_memberships m JOIN identity_organizations o USING (organization_id)
        WHERE o.tenant_id = $1 AND m.subject = $2 AND m.member AND m.organization_id <> $3)
"""
_LIVING = f"""
    SELECT {USER_COLUMNS} FROM users u
    WHERE u.subject = $1 AND ($2::uuid IS NULL OR u.tenant_id = $2) AND u.status <> 'removed'
    ORDER BY u.id FOR NO KEY UPDATE
"""  # noqa: S608 - the columns are ours
_SET_STATUS = """
    UPDATE users SET status = $3, ended_by_provider = true, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2
"""
_REINSTATE = """
    UPDATE users SET status = 'active', ended_by_provider = false, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2 AND status = 'deactivated' AND ended_by_provider
    RETURNING true
"""
_DESCRIBE = """
    UPDATE users u SET email = coalesce($3, u.email), name = coalesce($4, u.name), updated_at = clock_timestamp()
    WHERE u.tenant_id = $1 AND u.id = $2
      AND (lower(u.email) IS DISTINCT FROM lower(coalesce($3, u.email)) OR u.name IS DISTINCT FROM coalesce($4, u.name))
      AND NOT EXISTS (SELECT FROM users o WHERE o.tenant_id = $1 AND o.id <> $2 AND o.status <> 'removed'
                      AND lower(o.email) = lower($3))
    RETURNING true
"""
_FREE = """
    SELECT NOT EXISTS (SELECT FROM users WHERE tenant_id = $1 AND lower(email) = lower($2) AND status <> 'removed'
                       AND subject IS NOT NULL AND subject <> $3)
"""


class PostgresAccountRegister:
    """Port `AccountRegister`."""

    async def tell_account(self, account: ToldAccount) -> bool:
        """Remember what was said of an account; False when something as late or later is known."""
        told = (account.subject, account.email, account.name, account.status, account.at)
        return bool(await (await connection()).fetchval(_TELL_ACCOUNT, *told))

    async def account(self, subject: str) -> ToldAccount | None:
        """What was said last."""
        query = "SELECT subject, email, name, status, told_at AS at FROM identity_accounts WHERE subject = $1"
        row = await (await connection()).fetchrow(query, subject)
        return replace(ToldAccount(**dict(row)), status=AccountStatus(row["status"])) if row else None

    async def tell_membership(self, organization_id: str, subject: str, at: datetime, *, member: bool) -> bool:
        """Remember who is in an organisation; False when something as late or later is known."""
        session = await connection()
        return bool(await session.fetchval(_TELL_MEMBERSHIP, organization_id, subject, member, at))

    async def members(self, organization_id: str) -> Sequence[str]:
        """The accounts that are in an organisation."""
        query = "SELECT subject FROM identity_memberships WHERE organization_id = $1 AND member ORDER BY subject"
        return [row["subject"] for row in await (await connection()).fetch(query, organization_id)]

    async def tell_organization(self, organization_id: str, tenant_id: str, at: datetime) -> bool:
        """Remember whose an organisation is; False when that is known, or something later."""
        return bool(await (await connection()).fetchval(_TELL_ORGANIZATION, organization_id, tenant_id, at))

    async def forget_organization(self, organization_id: str) -> None:
        """It is nobody's any more."""
        query = "DELETE FROM identity_organizations WHERE organization_id = $1"
        await (await connection()).execute(query, organization_id)

    async def tenant_of(self, organization_id: str) -> str | None:
        """The tenant that an organisation stands for."""
        query = "SELECT tenant_id::text FROM identity_organizations WHERE organization_id = $1"
        found: str | None = await (await connection()).fetchval(query, organization_id)
        return found

    async def is_member_elsewhere(self, tenant_id: str, subject: str, organization_id: str) -> bool:
        """Whether an account is in another organisation of the same tenant."""
        return bool(await (await connection()).fetchval(_ELSEWHERE, tenant_id, subject, organization_id))

    async def living(self, subject: str, tenant_id: str | None = None) -> Sequence[User]:
        """The users of an account, of one tenant or of all, held until the unit of work ends; none who was removed."""
        return [user_of(dict(row)) for row in await (await connection()).fetch(_LIVING, subject, tenant_id)]

    async def set_status(self, user: User, status: UserStatus) -> None:
        """Let a user be what the provider says."""
        await (await connection()).execute(_SET_STATUS, user.tenant_id, user.id, status)

    async def reinstate(self, user: User) -> bool:
        """Let a user call again; False when it was not the provider that had the user deactivated."""
        return bool(await (await connection()).fetchval(_REINSTATE, user.tenant_id, user.id))

    async def describe(self, user: User, email: str | None, name: str | None) -> bool:
        """Correct address and name; False when nothing was different, or the address is another user's."""
        return bool(await (await connection()).fetchval(_DESCRIBE, user.tenant_id, user.id, email, name))

    async def address_is_free(self, tenant_id: str, email: str, subject: str) -> bool:
        """Whether no other account of the tenant has the address."""
        return bool(await (await connection()).fetchval(_FREE, tenant_id, email, subject))

    async def subject_of(self, tenant_id: str, user_id: str) -> str | None:
        """The account of a user, removed ones included."""
        query = "SELECT subject FROM users WHERE tenant_id = $1 AND id = $2"
        found: str | None = await (await connection()).fetchval(query, tenant_id, user_id)
        return found
