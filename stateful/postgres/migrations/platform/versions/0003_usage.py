"""Metered calls one by one (the ledger) and summed by the hour.

A usage id is a UUIDv7, so the ledger can be partitioned by ranges of its primary key, which are ranges of time. Neither
table refers to `tenants`: what was used outlives who used it.
"""

from sqlalchemy import Connection

revision = "0003"
down_revision = "0002"

_CREATE = (
    """
    CREATE TABLE usage_ledger (
        usage_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        at timestamptz NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        operation text NOT NULL,
        prompt_tokens bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        cached text NOT NULL,
        saved_tokens bigint NOT NULL,
        cost_micro_usd bigint NOT NULL,
        status text NOT NULL,
        api_key_id text,
        user_id text,
        request_id text NOT NULL,
        latency_ms bigint NOT NULL,
        estimated bool NOT NULL
    )
    """,
    "CREATE INDEX usage_ledger_by_tenant ON usage_ledger (tenant_id, at)",
    """
    CREATE TABLE usage_hourly (
        tenant_id uuid NOT NULL,
        bucket timestamptz NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        operation text NOT NULL,
        api_key_id text,
        user_id text,
        requests bigint NOT NULL,
        failed_requests bigint NOT NULL,
        cached_requests bigint NOT NULL,
        prompt_tokens bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        saved_tokens bigint NOT NULL,
        cost_micro_usd bigint NOT NULL,
        UNIQUE NULLS NOT DISTINCT (tenant_id, bucket, provider, model, operation, api_key_id, user_id)
    )
    """,
)
_DROP = ("DROP TABLE usage_hourly", "DROP TABLE usage_ledger")


def upgrade(connection: Connection) -> None:
    """Create both."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop both, with what was metered."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
