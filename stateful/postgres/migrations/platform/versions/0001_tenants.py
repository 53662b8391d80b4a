"""Tenants, their data keys and their API keys."""

from sqlalchemy import Connection

revision = "0001"
down_revision = None

_CREATE = (
    """
    CREATE TABLE tenants (
        id uuid PRIMARY KEY,
        slug text NOT NULL UNIQUE,
        name text NOT NULL,
        status text NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended')),
        plan text NOT NULL CHECK (plan IN ('free', 'standard', 'enterprise')),
        region text,
        database text NOT NULL UNIQUE,
        database_role text NOT NULL UNIQUE,
        database_secret bytea,
        settings jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CHECK (status = 'provisioning' OR database_secret IS NOT NULL)
    )
    """,
    # Other contexts hold ids as text and ask with them.
    "CREATE INDEX tenants_by_id_text ON tenants ((id::text))",
    "CREATE INDEX tenants_unfinished ON tenants (created_at) WHERE status = 'provisioning'",
    """
    CREATE TABLE tenant_keys (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        version int NOT NULL CHECK (version > 0),
        kek_id text NOT NULL,
        wrapped bytea NOT NULL,
        active bool NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, version)
    )
    """,
    "CREATE UNIQUE INDEX tenant_keys_one_active ON tenant_keys (tenant_id) WHERE active",
    """
    CREATE TABLE api_keys (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        name text NOT NULL,
        key_hash text NOT NULL UNIQUE CHECK (key_hash ~ '^[0-9a-f]{64}$'),
        user_id text,
        roles text[] NOT NULL CHECK (roles <@ ARRAY['admin', 'user']),
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz
    )
    """,
    "CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id)",
)
_DROP = ("DROP TABLE api_keys", "DROP TABLE tenant_keys", "DROP TABLE tenants")


def upgrade(connection: Connection) -> None:
    """Create the tables."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop the tables; the tenants' databases stay."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
