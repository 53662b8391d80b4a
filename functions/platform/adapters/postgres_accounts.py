"""Users by their accounts with the identity provider, in the platform database."""

from functions.kit.database import connection
from functions.kit.principal import Role
from functions.platform.adapters.postgres_users import USER_COLUMNS, user_of
from functions.platform.core.members import User
from functions.platform.core.sign_in_ports import Registered

# Somebody invited by address is found by it until the account is known, as runtime's readers do.
_FIND = f"""
    SELECT {USER_COLUMNS}, u.told_role, u.ended_by_provider FROM users u
    WHERE u.tenant_id = $1
      AND (u.subject = $2
           OR (u.subject IS NULL AND u.status <> 'removed' AND u.role <> 'superadmin' AND lower(u.email) = lower($3)))
    ORDER BY u.status = 'removed', u.subject IS NULL, u.id DESC LIMIT 1
"""  # noqa: S608 - the columns are ours
_LINK = """
    INSERT INTO identity_organizations (organization_id, tenant_id, told_at) VALUES ($1, $2, now())
    ON CONFLICT (organization_id) DO UPDATE SET tenant_id = excluded.tenant_id, told_at = excluded.told_at
    WHERE identity_organizations.tenant_id <> excluded.tenant_id
"""


class PostgresAccounts:
    """Port `Accounts`."""

    async def find(self, tenant_id: str, subject: str, email: str | None) -> Registered | None:
        """The user of an account, else one invited by the address; the living before the removed."""
        row = await (await connection()).fetchrow(_FIND, tenant_id, subject, email)
        if row is None:
            return None
        fields = dict(row)
        told, ended = fields.pop("told_role"), fields.pop("ended_by_provider")
        return Registered(user_of({**fields, "email": fields["email"] or ""}), Role(told) if told else None, ended)

    async def note(self, user: User, role: Role) -> None:
        """Remember which role the provider named."""
        query = "UPDATE users SET told_role = $3 WHERE tenant_id = $1 AND id = $2"
        await (await connection()).execute(query, user.tenant_id, user.id, role)

    async def link(self, organization_id: str, tenant_id: str) -> None:
        """Remember whose organisation it is."""
        await (await connection()).execute(_LINK, organization_id, tenant_id)
