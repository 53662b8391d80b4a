"""Provider configurations; a key is stored under its tenant's data key or not at all."""

from sqlalchemy import Connection

revision = "0002"
down_revision = "0001"

_CREATE = (
    """
    CREATE TABLE providers (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('openai', 'anthropic', 'google', 'vertex', 'groq')),
        position int NOT NULL,
        base_url text,
        secret bytea,
        secret_ref text,
        key_hint text,
        models text[] NOT NULL DEFAULT '{}',
        embedding_model text,
        default_model text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (tenant_id, name),
        CHECK (num_nonnulls(secret, secret_ref) = 1)
    )
    """,
    "CREATE INDEX providers_by_tenant_text ON providers ((tenant_id::text))",
)


def upgrade(connection: Connection) -> None:
    """Create the table."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop the table, with the keys in it."""
    connection.exec_driver_sql("DROP TABLE providers")
