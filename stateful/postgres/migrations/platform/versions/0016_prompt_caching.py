"""Of the tokens of calls, those that providers' own caches had or kept, and models' thoughts."""

from sqlalchemy import Connection

revision = "0016"
down_revision = "0015"

_TABLES = ("usage_ledger", "usage_hourly", "kpis")
_COLUMNS = ("cached_prompt_tokens", "cache_write_tokens", "reasoning_tokens")


def upgrade(connection: Connection) -> None:
    """Add the columns to the ledger and its sums; of calls before nothing is known."""
    for table in _TABLES:
        added = ", ".join(f"ADD {column} bigint NOT NULL DEFAULT 0" for column in _COLUMNS)
        connection.exec_driver_sql(f"ALTER TABLE {table} {added}")


def downgrade(connection: Connection) -> None:
    """Drop them."""
    for table in _TABLES:
        connection.exec_driver_sql(f"ALTER TABLE {table} {', '.join(f'DROP {column}' for column in _COLUMNS)}")
