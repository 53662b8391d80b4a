"""MCP servers that a tenant's agents may use, and what these say of their tools."""

from sqlalchemy import Connection

revision = "0003"
down_revision = "0002"

_CREATE = (
    """
    CREATE TABLE agent_mcp_servers (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        title text NOT NULL,
        transport text NOT NULL CHECK (transport IN ('http', 'stdio')),
        target text NOT NULL,
        auth jsonb NOT NULL,
        timeout_seconds float8 NOT NULL,
        -- Under the tenant's data key; null where the server wants none.
        secret bytea,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        -- When it last told its tools, and when it was last asked.
        discovered_at timestamptz,
        tried_at timestamptz,
        problem text NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE TABLE agent_mcp_tools (
        server_id uuid NOT NULL REFERENCES agent_mcp_servers ON DELETE CASCADE,
        name text NOT NULL,
        -- What an admin has accepted, and what the server says now; a tool whose two differ is held back.
        accepted jsonb,
        offered jsonb NOT NULL,
        present boolean NOT NULL,
        changed_at timestamptz NOT NULL,
        accepted_by text,
        PRIMARY KEY (server_id, name)
    )
    """,
)


def upgrade(connection: Connection) -> None:
    """Create the tables."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them, with every server."""
    for table in ("agent_mcp_tools", "agent_mcp_servers"):
        connection.exec_driver_sql(f"DROP TABLE {table}")
