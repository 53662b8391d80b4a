"""MCP servers whose documents are read from an address, in the background."""

from sqlalchemy import Connection

revision = "0002"
down_revision = "0001"

_UP = """
    ALTER TABLE mcp_servers
        ADD COLUMN document_url text,
        ADD COLUMN state text NOT NULL DEFAULT 'ready' CHECK (state IN ('pending', 'ready', 'failed')),
        ADD COLUMN reason text NOT NULL DEFAULT '',
        -- Tells one registration from the next: what an earlier one has read comes to nothing.
        ADD COLUMN requested_at timestamptz,
        ADD COLUMN read_at timestamptz,
        ADD COLUMN changes text[] NOT NULL DEFAULT '{}'
"""
_DOWN = """
    ALTER TABLE mcp_servers
        DROP COLUMN document_url, DROP COLUMN state, DROP COLUMN reason, DROP COLUMN requested_at, DROP COLUMN read_at,
        DROP COLUMN changes
"""


def upgrade(connection: Connection) -> None:
    """Add the columns."""
    connection.exec_driver_sql(_UP)


def downgrade(connection: Connection) -> None:
    """Drop them, and servers that have no document yet, which cannot be told from others without."""
    connection.exec_driver_sql("DELETE FROM mcp_servers WHERE document = '{}'")
    connection.exec_driver_sql(_DOWN)
