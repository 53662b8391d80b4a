"""How often an ingestion waited for something, by which it waits longer and at last gives up."""

from sqlalchemy import Connection

revision = "0003"
down_revision = "0002"


def upgrade(connection: Connection) -> None:
    """Count them."""
    connection.exec_driver_sql("ALTER TABLE ingestions ADD COLUMN waits int NOT NULL DEFAULT 0")


def downgrade(connection: Connection) -> None:
    """Do not."""
    connection.exec_driver_sql("ALTER TABLE ingestions DROP COLUMN waits")
