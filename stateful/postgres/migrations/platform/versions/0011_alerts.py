"""Alerts, and the calls to providers of the last minutes by which those about providers are raised.

Neither refers to `tenants`: what happened outlives whom it happened to.
"""

from sqlalchemy import Connection

revision = "0011"
down_revision = "0010"

_CREATE = (
    # No tenant stands for the platform itself. `key` says what the alert is about: of those that are `once`, one is
    # ever raised; of the others one at a time.
    """
    CREATE TABLE alerts (
        id uuid PRIMARY KEY,
        tenant_id uuid,
        kind text NOT NULL CHECK (kind IN ('quota', 'guardrail', 'provider', 'system')),
        severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
        status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'acknowledged', 'resolved')),
        key text NOT NULL,
        once bool NOT NULL,
        title text NOT NULL,
        details jsonb NOT NULL,
        count bigint NOT NULL CHECK (count > 0),
        raised_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        acknowledged_at timestamptz,
        acknowledged_by text,
        assigned_to text,
        assigned_at timestamptz,
        assigned_by text,
        resolved_at timestamptz,
        resolved_by text,
        note text NOT NULL DEFAULT '',
        CHECK ((status = 'resolved') = (resolved_at IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX alerts_once ON alerts (tenant_id, key) NULLS NOT DISTINCT WHERE once",
    """
    CREATE UNIQUE INDEX alerts_one_at_a_time ON alerts (tenant_id, key) NULLS NOT DISTINCT
        WHERE NOT once AND status <> 'resolved'
    """,
    "CREATE INDEX alerts_by_tenant ON alerts (tenant_id, id)",
    "CREATE INDEX alerts_unresolved ON alerts (tenant_id, severity) WHERE status <> 'resolved'",
    """
    CREATE TABLE provider_minutes (
        tenant_id uuid NOT NULL,
        provider text NOT NULL,
        minute timestamptz NOT NULL,
        calls bigint NOT NULL,
        errors bigint NOT NULL,
        PRIMARY KEY (tenant_id, provider, minute)
    )
    """,
    "CREATE INDEX provider_minutes_by_time ON provider_minutes (minute)",
)
_DROP = ("DROP TABLE provider_minutes", "DROP TABLE alerts")


def upgrade(connection: Connection) -> None:
    """Create both."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop both."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
