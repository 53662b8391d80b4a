"""Which of some chunks are code, found without reading the chunks: every search asks it of all its candidates."""

from sqlalchemy import Connection

revision = "0006"
down_revision = "0005"


def upgrade(connection: Connection) -> None:
    """Add an index of those that are."""
    connection.exec_driver_sql("CREATE INDEX chunks_code ON chunks (number) WHERE is_code")


def downgrade(connection: Connection) -> None:
    """Remove it."""
    connection.exec_driver_sql("DROP INDEX chunks_code")
