"""Key figures: what tenants used by the minute, hour and day, how long their calls took, and who called.

They are made from the ledger, in the statement that enters calls into it. Latencies are counted in slots that grow by a
factor (DDSketch, Masson, Rim and Lee, VLDB 2019): slots of any hours and tenants can be added up, and a quantile taken
from the sums is at most 2 % off.
"""

from sqlalchemy import Connection

revision = "0013"
down_revision = "0012"

_SUMS = (
    "requests",
    "internal_requests",
    "ok_requests",
    "failed_requests",
    "cached_requests",
    "prompt_tokens",
    "completion_tokens",
    "saved_tokens",
    "cost_micro_usd",
    "saved_micro_usd",
)
_CREATE = (
    "ALTER TABLE usage_ledger ADD saved_micro_usd bigint NOT NULL DEFAULT 0",
    # The logarithm may be off in its last digits: a value at a slot's upper end must not fall into the next.
    """
    CREATE FUNCTION latency_slot(ms bigint) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ms < 1 THEN -1 ELSE ceil(ln(ms::float8) / ln(1.02::float8 / 0.98) - 1e-9) END
    """,
    f"""
    CREATE TABLE kpis (
        grain text NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
        tenant_id uuid NOT NULL,
        bucket timestamptz NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        {", ".join(f"{name} bigint NOT NULL" for name in _SUMS)},
        PRIMARY KEY (grain, tenant_id, bucket, provider, model)
    )
    """,
    "CREATE INDEX kpis_by_time ON kpis (grain, bucket)",
    """
    CREATE TABLE kpi_latency (
        grain text NOT NULL,
        tenant_id uuid NOT NULL,
        bucket timestamptz NOT NULL,
        slot smallint NOT NULL,
        calls bigint NOT NULL,
        PRIMARY KEY (grain, tenant_id, bucket, slot)
    )
    """,
    "CREATE INDEX kpi_latency_by_time ON kpi_latency (grain, bucket)",
    """
    CREATE TABLE kpi_users (
        grain text NOT NULL,
        tenant_id uuid NOT NULL,
        bucket timestamptz NOT NULL,
        user_id text NOT NULL,
        PRIMARY KEY (grain, tenant_id, bucket, user_id)
    )
    """,
    "CREATE INDEX kpi_users_by_time ON kpi_users (grain, bucket)",
    f"""
    INSERT INTO kpis (grain, tenant_id, bucket, provider, model, {", ".join(_SUMS)})
    SELECT grain, tenant_id, date_trunc(grain, at, 'UTC') AS bucket, provider, model, count(*),
           count(*) FILTER (WHERE internal), count(*) FILTER (WHERE status = 'ok' AND NOT internal),
           count(*) FILTER (WHERE status IN ('error', 'expired') AND NOT internal),
           count(*) FILTER (WHERE cached <> 'miss'), sum(prompt_tokens), sum(completion_tokens), sum(saved_tokens),
           sum(cost_micro_usd), sum(saved_micro_usd)
    FROM usage_ledger CROSS JOIN (VALUES ('hour'), ('day')) AS g(grain)
    GROUP BY grain, tenant_id, bucket, provider, model
    """,  # noqa: S608 - made of this module's own text
    """
    INSERT INTO kpi_latency (grain, tenant_id, bucket, slot, calls)
    SELECT grain, tenant_id, date_trunc(grain, at, 'UTC') AS bucket, latency_slot(latency_ms) AS slot, count(*)
    FROM usage_ledger CROSS JOIN (VALUES ('hour'), ('day')) AS g(grain)
    WHERE status = 'ok' AND NOT internal
    GROUP BY grain, tenant_id, bucket, slot
    """,
    """
    INSERT INTO kpi_users (grain, tenant_id, bucket, user_id)
    SELECT DISTINCT grain, tenant_id, date_trunc(grain, at, 'UTC'), user_id
    FROM usage_ledger CROSS JOIN (VALUES ('hour'), ('day')) AS g(grain)
    WHERE user_id IS NOT NULL
    """,
)
_DROP = (
    "DROP TABLE kpi_users",
    "DROP TABLE kpi_latency",
    "DROP TABLE kpis",
    "DROP FUNCTION latency_slot",
    "ALTER TABLE usage_ledger DROP saved_micro_usd",
)


def upgrade(connection: Connection) -> None:
    """Create the tables, and fill them from the ledger."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them; the ledger loses what money the cache saved."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
