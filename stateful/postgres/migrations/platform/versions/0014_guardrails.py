"""What guardrails found, and which of them a tenant has on.

Findings do not refer to `tenants`: what was found outlives whom it was found at, until its time is over.
"""

from sqlalchemy import Connection

revision = "0014"
down_revision = "0013"

_CREATE = (
    """
    CREATE TABLE guardrail_settings (
        tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
        enabled bool NOT NULL,
        document jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE VIEW runtime.guardrails AS SELECT tenant_id, enabled FROM guardrail_settings",
    # One row for each thing found in a call; `severity` from 1 (low) to 4 (critical). Excerpts are redacted.
    """
    CREATE TABLE guardrail_findings (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        usage_id uuid NOT NULL,
        position int NOT NULL,
        at timestamptz NOT NULL,
        request_id text NOT NULL,
        api_key_id text,
        user_id text,
        provider text NOT NULL,
        model text NOT NULL,
        kind text NOT NULL,
        type text NOT NULL,
        detector text NOT NULL,
        rule text NOT NULL,
        severity smallint NOT NULL,
        score real NOT NULL,
        occurrences int NOT NULL,
        location text NOT NULL,
        excerpt text NOT NULL,
        UNIQUE (usage_id, position)
    )
    """,
    "CREATE INDEX guardrail_findings_by_tenant ON guardrail_findings (tenant_id, at DESC, id DESC)",
    "CREATE INDEX guardrail_findings_by_age ON guardrail_findings (at)",
)
_DROP = ("DROP TABLE guardrail_findings", "DROP VIEW runtime.guardrails", "DROP TABLE guardrail_settings")


def upgrade(connection: Connection) -> None:
    """Create the tables and the view."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
