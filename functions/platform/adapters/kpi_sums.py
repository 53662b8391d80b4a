"""How key figures are made from calls: the text that both entering calls and making sums anew run."""

SUMS = (
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
    "cached_prompt_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_KEYS = "grain, tenant_id, bucket, provider, model"
# Told of the tenants whose figures have changed.
CHANNEL = "kpis"
MINUTES_KEPT = "2 days"
# What a row of the ledger adds: a call that ended takes the place of the one given up.
OF_CALL = """1 AS requests, internal::int AS internal_requests, (status = 'ok' AND NOT internal)::int AS ok_requests,
               (status IN ('error', 'expired') AND NOT internal)::int AS failed_requests,
               (cached <> 'miss')::int AS cached_requests, prompt_tokens, completion_tokens, saved_tokens,
               cost_micro_usd, saved_micro_usd, cached_prompt_tokens, cache_write_tokens, reasoning_tokens"""
# Calls that limits on requests do not count, as `UsageRecord.counts_as_request` has it.
UNCOUNTED = "(status = 'expired' OR internal OR (status = 'error' AND prompt_tokens + completion_tokens = 0))"
OF_CALL_TAKEN_BACK = """-1, -internal::int, 0, (-(NOT internal)::int), 0, 0, 0, 0, 0, 0, 0, 0, 0"""
# From `changes` (what is added to sums) and `fresh` (the calls themselves). In the order of the keys: batches that
# overlap then wait for each other instead of deadlocking.
ENTER = f"""
    kpi_grains AS (
        SELECT * FROM (VALUES ('minute', now() - interval '{MINUTES_KEPT}'), ('hour', '-infinity'), ('day', '-infinity')
        ) AS g(grain, oldest)
    ), kpi_entered AS (
        INSERT INTO kpis AS k ({_KEYS}, {", ".join(SUMS)})
        SELECT grain, tenant_id, date_trunc(grain, at, 'UTC') AS bucket, provider, model,
               {", ".join(f"sum({name})" for name in SUMS)}
        FROM changes JOIN kpi_grains ON at >= oldest GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT ({_KEYS}) DO UPDATE SET {", ".join(f"{name} = k.{name} + excluded.{name}" for name in SUMS)}
    ), kpi_latencies AS (
        INSERT INTO kpi_latency AS k (grain, tenant_id, bucket, slot, calls)
        SELECT grain, tenant_id, date_trunc(grain, at, 'UTC') AS bucket, latency_slot(latency_ms) AS slot, count(*)
        FROM fresh JOIN kpi_grains ON at >= oldest WHERE status = 'ok' AND NOT internal
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (grain, tenant_id, bucket, slot) DO UPDATE SET calls = k.calls + excluded.calls
    ), kpi_active AS (
        INSERT INTO kpi_users (grain, tenant_id, bucket, user_id)
        SELECT DISTINCT grain, tenant_id, date_trunc(grain, at, 'UTC') AS bucket, user_id
        FROM fresh JOIN kpi_grains ON grain <> 'minute' WHERE user_id IS NOT NULL ORDER BY 1, 2, 3, 4
        ON CONFLICT DO NOTHING
    )
"""  # noqa: S608 - made of this module's own text
# Of whole days, all grains at once.
FORGET_DAYS = tuple(
    f"DELETE FROM {table} WHERE grain = ANY ('{{minute,hour,day}}') AND tenant_id = $1 AND bucket >= $2 AND bucket < $3"  # noqa: S608
    for table in ("kpis", "kpi_latency", "kpi_users")
)
MAKE_DAYS = f"""
    WITH fresh AS (
        SELECT * FROM usage_ledger WHERE tenant_id = $1 AND at >= $2 AND at < $3
    ), changes AS (
        SELECT tenant_id, at, provider, model, {OF_CALL} FROM fresh
    ), {ENTER}
    SELECT count(*) FROM fresh
"""  # noqa: S608 - made of this module's own text
# The hours whose figures are not the ledger's; what is all zeros is a call taken back.
WRONG_HOURS = f"""
    kpi_ledger AS (
        SELECT bucket, provider, model, {", ".join(f"sum({name})::bigint AS {name}" for name in SUMS)}
        FROM (SELECT date_trunc('hour', at, 'UTC') AS bucket, provider, model, {OF_CALL}
              FROM usage_ledger WHERE tenant_id = $1 AND at >= $2) c
        GROUP BY bucket, provider, model
    ), kpi_hours AS (
        SELECT bucket, provider, model, {", ".join(SUMS)} FROM kpis
        WHERE grain = 'hour' AND tenant_id = $1 AND bucket >= $2 AND requests <> 0
    ), kpi_wrong AS (
        SELECT bucket FROM ((TABLE kpi_ledger EXCEPT TABLE kpi_hours)
                            UNION ALL (TABLE kpi_hours EXCEPT TABLE kpi_ledger)) d
    )
"""  # noqa: S608 - made of this module's own text
