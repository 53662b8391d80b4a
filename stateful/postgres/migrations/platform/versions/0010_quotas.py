"""Limits on what tenants use, what was used of them, and usage summed by group and by how the cache answered.

The hourly sums are made anew from the ledger, which is their only source. A program older than this revision cannot add
to them; what it is told is told again until a newer one takes it.
"""

from sqlalchemy import Connection

revision = "0010"
down_revision = "0009"

_HOURLY = """
    CREATE TABLE usage_hourly (
        tenant_id uuid NOT NULL,
        bucket timestamptz NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        operation text NOT NULL,
        api_key_id text,
        user_id text,
        {more_keys}
        requests bigint NOT NULL,
        failed_requests bigint NOT NULL,
        cached_requests bigint NOT NULL,
        {more_sums}
        prompt_tokens bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        saved_tokens bigint NOT NULL,
        cost_micro_usd bigint NOT NULL,
        UNIQUE NULLS NOT DISTINCT (tenant_id, bucket, provider, model, operation, api_key_id, user_id{keys})
    )
"""
_SUM_UP = """
    INSERT INTO usage_hourly (tenant_id, bucket, provider, model, operation, api_key_id, user_id{keys}, requests,
                              failed_requests, cached_requests, {sums}prompt_tokens, completion_tokens, saved_tokens,
                              cost_micro_usd)
    SELECT tenant_id, date_trunc('hour', at, 'UTC'), provider, model, operation, api_key_id, user_id{keys}, count(*),
           count(*) FILTER (WHERE status <> 'ok'), count(*) FILTER (WHERE cached <> 'miss'), {counts}
           sum(prompt_tokens), sum(completion_tokens), sum(saved_tokens), sum(cost_micro_usd)
    FROM usage_ledger
    GROUP BY tenant_id, date_trunc('hour', at, 'UTC'), provider, model, operation, api_key_id, user_id{keys}
"""
_CREATE = (
    "CREATE SEQUENCE quota_versions",
    """
    CREATE TABLE quota_sets (
        tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
        version bigint NOT NULL UNIQUE,
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # A subject without an id is the tenant itself. Money is in millionths of a US dollar.
    """
    CREATE TABLE quotas (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES quota_sets ON DELETE CASCADE,
        position int NOT NULL,
        subject_kind text NOT NULL CHECK (subject_kind IN ('tenant', 'group', 'user', 'api_key', 'model')),
        subject_id text,
        metric text NOT NULL CHECK (metric IN ('requests', 'tokens', 'cost')),
        period text NOT NULL CHECK (period IN ('minute', 'day', 'month')),
        maximum bigint NOT NULL CHECK (maximum >= 0),
        hard bool NOT NULL,
        thresholds int[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE NULLS NOT DISTINCT (tenant_id, subject_kind, subject_id, metric, period),
        CHECK ((subject_kind = 'tenant') = (subject_id IS NULL))
    )
    """,
    "CREATE INDEX quotas_by_tenant_text ON quotas ((tenant_id::text))",
    # What the ledger holds against a quota, in the newest window in which it holds anything.
    """
    CREATE TABLE quota_counters (
        quota_id uuid PRIMARY KEY REFERENCES quotas ON DELETE CASCADE,
        window_start timestamptz NOT NULL,
        used bigint NOT NULL
    )
    """,
    """
    CREATE FUNCTION quota_applies(subject_kind text, subject_id text, provider text, model text, api_key_id text,
                                  user_id text, groups text[]) RETURNS bool LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE subject_kind
        WHEN 'tenant' THEN true
        WHEN 'user' THEN coalesce(user_id = subject_id, false)
        WHEN 'api_key' THEN coalesce(api_key_id = subject_id, false)
        WHEN 'group' THEN subject_id = ANY (groups)
        ELSE subject_id IN (model, provider || '/' || model)
    END
    """,
    """
    CREATE FUNCTION quota_amount(metric text, requests bigint, tokens bigint, cost bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE metric WHEN 'requests' THEN requests WHEN 'tokens' THEN tokens ELSE cost END
    """,
    """
    CREATE VIEW runtime.quota_sets AS
        SELECT tenant_id, version, (SELECT count(*) FROM quotas q WHERE q.tenant_id = s.tenant_id) AS size
        FROM quota_sets s
    """,
    """
    CREATE VIEW runtime.quotas AS
        SELECT q.tenant_id, q.id, q.subject_kind, q.subject_id, q.metric, q.period, q.maximum, q.hard, q.thresholds,
               c.used AS mirrored, c.window_start AS mirrored_since
        FROM quotas q LEFT JOIN quota_counters c ON c.quota_id = q.id
    """,
    "ALTER TABLE usage_ledger ADD groups text[] NOT NULL DEFAULT '{}', ADD internal bool NOT NULL DEFAULT false",
    "DROP TABLE usage_hourly",
    _HOURLY.format(
        keys=", groups, cached",
        more_keys="groups text[] NOT NULL, cached text NOT NULL,",
        # Of the requests those that no quota counts: the platform's own, and calls nobody knows the end of.
        more_sums="uncounted_requests bigint NOT NULL,",
    ),
    _SUM_UP.format(
        keys=", groups, cached",
        sums="uncounted_requests, ",
        counts="count(*) FILTER (WHERE status = 'expired' OR internal),",
    ),
)
_DROP = (
    "DROP TABLE usage_hourly",
    _HOURLY.format(keys="", more_keys="", more_sums=""),
    _SUM_UP.format(keys="", sums="", counts=""),
    "ALTER TABLE usage_ledger DROP groups, DROP internal",
    "DROP VIEW runtime.quotas",
    "DROP VIEW runtime.quota_sets",
    "DROP FUNCTION quota_amount",
    "DROP FUNCTION quota_applies",
    "DROP TABLE quota_counters",
    "DROP TABLE quotas",
    "DROP TABLE quota_sets",
    "DROP SEQUENCE quota_versions",
)


def upgrade(connection: Connection) -> None:
    """Create the tables, and the sums anew."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop the limits; the ledger keeps what was used."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
