"""Accounts with the identity provider: what it last said of each, whose its organisations are, who is in them.

Each row holds the time of what was said last, so that what arrives late or twice changes nothing.
"""

from sqlalchemy import Connection

revision = "0012"
down_revision = "0011"

_CREATE = (
    # The role that the provider named last, and whether it was the provider that had the user deactivated or removed.
    """
    ALTER TABLE users
        ADD COLUMN told_role text CHECK (told_role IN ('admin', 'user')),
        ADD COLUMN ended_by_provider boolean NOT NULL DEFAULT false
    """,
    "CREATE INDEX users_of_account ON users (subject) WHERE subject IS NOT NULL AND status <> 'removed'",
    """
    CREATE TABLE identity_accounts (
        subject text PRIMARY KEY,
        email text,
        name text,
        status text NOT NULL CHECK (status IN ('active', 'suspended', 'deleted')),
        told_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE identity_organizations (
        organization_id text PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        told_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX identity_organizations_by_tenant ON identity_organizations (tenant_id)",
    """
    CREATE TABLE identity_memberships (
        organization_id text NOT NULL,
        subject text NOT NULL,
        member boolean NOT NULL,
        told_at timestamptz NOT NULL,
        PRIMARY KEY (organization_id, subject)
    )
    """,
    "CREATE INDEX identity_memberships_by_subject ON identity_memberships (subject)",
)
_DROP = (
    "DROP TABLE identity_memberships",
    "DROP TABLE identity_organizations",
    "DROP TABLE identity_accounts",
    "DROP INDEX users_of_account",
    "ALTER TABLE users DROP COLUMN told_role, DROP COLUMN ended_by_provider",
)


def upgrade(connection: Connection) -> None:
    """Create the tables."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them; users stay."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
