"""MCP servers made of OpenAPI documents."""

from sqlalchemy import Connection

revision = "0001"
down_revision = None

_CREATE = """
    CREATE TABLE mcp_servers (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        title text NOT NULL,
        description text NOT NULL,
        document jsonb NOT NULL,
        base_url text NOT NULL,
        operations text[] NOT NULL,
        auth jsonb NOT NULL,
        -- Under the tenant's data key; null where the API wants none.
        secret bytea,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
"""


def upgrade(connection: Connection) -> None:
    """Create the table."""
    connection.exec_driver_sql(_CREATE)


def downgrade(connection: Connection) -> None:
    """Drop it, with every server."""
    connection.exec_driver_sql("DROP TABLE mcp_servers")
