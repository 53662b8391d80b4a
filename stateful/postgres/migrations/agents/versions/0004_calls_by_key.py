"""Results of tools found by the version of the key they are under, which a rotation asks for in batches."""

from sqlalchemy import Connection

revision = "0004"
down_revision = "0003"


def upgrade(connection: Connection) -> None:
    """Create the index."""
    connection.exec_driver_sql(
        "CREATE INDEX tool_calls_by_key ON tool_calls (substr(result, 1, 4)) WHERE result IS NOT NULL"
    )


def downgrade(connection: Connection) -> None:
    """Drop it."""
    connection.exec_driver_sql("DROP INDEX tool_calls_by_key")
