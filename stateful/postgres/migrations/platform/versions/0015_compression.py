"""Tokens that prompts did not cost because they were compressed."""

from sqlalchemy import Connection

revision = "0015"
down_revision = "0014"


def upgrade(connection: Connection) -> None:
    """Add the column to the ledger and its sums."""
    for table in ("usage_ledger", "usage_hourly"):
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD compression_saved_tokens bigint NOT NULL DEFAULT 0")


def downgrade(connection: Connection) -> None:
    """Drop it."""
    for table in ("usage_ledger", "usage_hourly"):
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP compression_saved_tokens")
