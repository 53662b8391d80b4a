"""What is known of documents that are waited for: when they were asked for again, how often a worker began in vain."""

from sqlalchemy import Connection

revision = "0003"
down_revision = "0002"

_UP = """
    ALTER TABLE mcp_servers
        -- When a registration whose task was lost was last asked for again.
        ADD COLUMN reminded_at timestamptz,
        -- Times that a worker began to read and came to no end: a document that ends workers is given up.
        ADD COLUMN begun int NOT NULL DEFAULT 0
"""
_DOWN = "ALTER TABLE mcp_servers DROP COLUMN reminded_at, DROP COLUMN begun"


def upgrade(connection: Connection) -> None:
    """Add the columns."""
    connection.exec_driver_sql(_UP)


def downgrade(connection: Connection) -> None:
    """Drop them."""
    connection.exec_driver_sql(_DOWN)
