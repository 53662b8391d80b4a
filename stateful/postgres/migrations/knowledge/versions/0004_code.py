"""Which chunks are code, told by their text where their document does not say so: searches weigh their words less."""

from sqlalchemy import Connection

revision = "0004"
down_revision = "0003"


def upgrade(connection: Connection) -> None:
    """Chunks that are there already count as what they were declared to be."""
    connection.exec_driver_sql("ALTER TABLE chunks ADD COLUMN is_code boolean NOT NULL DEFAULT false")
    connection.exec_driver_sql("UPDATE chunks SET is_code = true WHERE kind = 'code'")


def downgrade(connection: Connection) -> None:
    """Forget it."""
    connection.exec_driver_sql("ALTER TABLE chunks DROP COLUMN is_code")
