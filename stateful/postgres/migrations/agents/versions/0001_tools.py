"""What a tenant says of tools, and what became of calls."""

from sqlalchemy import Connection

revision = "0001"
down_revision = None

_CREATE = (
    """
    CREATE TABLE tool_settings (
        name text PRIMARY KEY,
        enabled boolean NOT NULL,
        allow_hosts text[] NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE tool_calls (
        call_id text PRIMARY KEY,
        execution_id text NOT NULL,
        tool text NOT NULL,
        -- SHA-256 of the tool's name and its arguments.
        digest bytea NOT NULL,
        state text NOT NULL CHECK (state IN ('running', 'finished', 'unknown')),
        -- Under the tenant's data key.
        result bytea,
        began_at timestamptz NOT NULL DEFAULT now(),
        -- From then on nobody can still be at it.
        over_at timestamptz NOT NULL,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX tool_calls_by_age ON tool_calls (began_at)",
)


def upgrade(connection: Connection) -> None:
    """Create the tables."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them: calls that were made could be made again."""
    for table in ("tool_calls", "tool_settings"):
        connection.exec_driver_sql(f"DROP TABLE {table}")
