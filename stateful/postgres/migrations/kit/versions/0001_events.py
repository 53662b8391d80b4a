"""The outbox and the record of handled events."""

from sqlalchemy import Connection

revision = "0001"
down_revision = None

_CREATE = (
    """
    CREATE TABLE outbox (
        id uuid PRIMARY KEY,
        subject text NOT NULL,
        tenant_id uuid,
        payload jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz
    )
    """,
    "CREATE INDEX outbox_unpublished ON outbox (created_at) WHERE published_at IS NULL",
    """
    CREATE TABLE handled_events (
        source text NOT NULL,
        id text NOT NULL,
        function text NOT NULL,
        handled_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (source, id, function)
    )
    """,
    "CREATE INDEX handled_events_by_time ON handled_events (handled_at)",
)
_DROP = ("DROP TABLE handled_events", "DROP TABLE outbox")


def upgrade(connection: Connection) -> None:
    """Create both."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop both, with the events in them."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
