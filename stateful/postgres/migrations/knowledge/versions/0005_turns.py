"""What is due, found without looking at what is over; and when an embedding was asked for last."""

from sqlalchemy import Connection

revision = "0005"
down_revision = "0004"

_UP = (
    """
    CREATE INDEX ingestions_open ON ingestions (version_id) WHERE status IN ('pending', 'running', 'waiting')
    """,
    "ALTER TABLE embeddings ADD COLUMN used_on date NOT NULL DEFAULT current_date",
    "CREATE INDEX embeddings_by_use ON embeddings (used_on)",
)
_DOWN = ("ALTER TABLE embeddings DROP COLUMN used_on", "DROP INDEX ingestions_open")


def upgrade(connection: Connection) -> None:
    """Add both; embeddings that are there count as asked for today."""
    for statement in _UP:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Remove both."""
    for statement in _DOWN:
        connection.exec_driver_sql(statement)
