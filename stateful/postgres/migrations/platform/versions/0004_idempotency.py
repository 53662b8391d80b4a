"""Answers kept under an Idempotency-Key."""

from sqlalchemy import Connection

revision = "0004"
down_revision = "0003"

_CREATE = (
    """
    CREATE TABLE idempotency_keys (
        scope text NOT NULL,
        key text NOT NULL,
        fingerprint bytea NOT NULL,
        state text NOT NULL CHECK (state IN ('running', 'done')),
        status int,
        body bytea,
        content_type text,
        created_at timestamptz NOT NULL DEFAULT now(),
        locked_until timestamptz NOT NULL,
        PRIMARY KEY (scope, key)
    )
    """,
    "CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at)",
)


def upgrade(connection: Connection) -> None:
    """Create the table."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop the table, with the answers in it."""
    connection.exec_driver_sql("DROP TABLE idempotency_keys")
