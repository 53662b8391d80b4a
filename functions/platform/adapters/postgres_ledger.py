"""The ledger compared with its hourly sums and with the counters of limits."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from functions.kit.clock import rfc3339, utc_now
from functions.kit.database import Connection, Databases, UnitOfWork, connection
from functions.kit.quotas import counter_key, span_of
from functions.platform.adapters.kpi_sums import FORGET_DAYS, MAKE_DAYS, UNCOUNTED, WRONG_HOURS
from functions.platform.adapters.postgres_quotas import SUMMED_UP, changing
from functions.platform.core.reconcile_quotas import Counted, Miscount

_TENANTS = """
    SELECT tenant_id::text FROM quotas
    UNION SELECT tenant_id::text FROM usage_hourly WHERE bucket >= $1
    UNION SELECT tenant_id::text FROM usage_ledger WHERE at >= $1
    ORDER BY 1
"""
_KEYS = "provider, model, operation, api_key_id, user_id, groups, cached"
_SUMS = f"""count(*) AS requests, count(*) FILTER (WHERE status <> 'ok') AS failed_requests,
           count(*) FILTER (WHERE cached <> 'miss') AS cached_requests,
           count(*) FILTER (WHERE {UNCOUNTED}) AS uncounted_requests,
           sum(prompt_tokens)::bigint AS prompt_tokens, sum(completion_tokens)::bigint AS completion_tokens,
           sum(saved_tokens)::bigint AS saved_tokens, sum(cost_micro_usd)::bigint AS cost_micro_usd,
           sum(compression_saved_tokens)::bigint AS compression_saved_tokens,
           sum(cached_prompt_tokens)::bigint AS cached_prompt_tokens,
           sum(cache_write_tokens)::bigint AS cache_write_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens"""
_COLUMNS = f"""{_KEYS}, requests, failed_requests, cached_requests, uncounted_requests, prompt_tokens,
           completion_tokens, saved_tokens, cost_micro_usd, compression_saved_tokens, cached_prompt_tokens,
           cache_write_tokens, reasoning_tokens"""
# A call given up and then found to have ended leaves a row of zeros where it was first.
_WRONG_HOURS = f"""
    WITH ledger AS (
        SELECT date_trunc('hour', at, 'UTC') AS bucket, {_KEYS}, {_SUMS}
        FROM usage_ledger WHERE tenant_id = $1 AND at >= $2
        GROUP BY bucket, {_KEYS}
    ), hourly AS (
        SELECT bucket, {_COLUMNS} FROM usage_hourly
        WHERE tenant_id = $1 AND bucket >= $2
          AND (requests, failed_requests, uncounted_requests, prompt_tokens, completion_tokens, saved_tokens,
               cost_micro_usd) IS DISTINCT FROM (0, 0, 0, 0, 0, 0, 0)
    ), {WRONG_HOURS}, wrong AS (
        SELECT bucket FROM ((TABLE ledger EXCEPT TABLE hourly) UNION ALL (TABLE hourly EXCEPT TABLE ledger)) d
        UNION SELECT bucket FROM kpi_wrong
    )
    SELECT bucket, (SELECT coalesce(sum(requests), 0)::bigint FROM hourly h WHERE h.bucket = w.bucket) AS had,
           (SELECT coalesce(sum(requests), 0)::bigint FROM ledger l WHERE l.bucket = w.bucket) AS should
    FROM wrong w ORDER BY bucket
"""  # noqa: S608 - made of this module's own text
_FORGET_HOURS = "DELETE FROM usage_hourly WHERE tenant_id = $1 AND bucket = ANY ($2::timestamptz[])"
_SUM_UP = f"""
    INSERT INTO usage_hourly (tenant_id, bucket, {_COLUMNS})
    SELECT tenant_id, date_trunc('hour', at, 'UTC') AS bucket, {_KEYS}, {_SUMS}
    FROM usage_ledger
    WHERE tenant_id = $1 AND at >= $3 AND at < $4::timestamptz + interval '1 hour'
      AND date_trunc('hour', at, 'UTC') = ANY ($2::timestamptz[])
    GROUP BY tenant_id, bucket, {_KEYS}
"""  # noqa: S608 - made of this module's own text
_WRONG_COUNTERS = f"""
    SELECT s.quota_id::text, s.used AS should,
           CASE WHEN c.window_start = s.window_start THEN c.used ELSE 0 END AS had
    FROM ({SUMMED_UP}) s LEFT JOIN quota_counters c ON c.quota_id = s.quota_id
    WHERE s.used <> CASE WHEN c.window_start = s.window_start THEN c.used ELSE 0 END
    ORDER BY 1
"""  # noqa: S608 - made of this module's own text
_COUNT_ANEW = f"""
    INSERT INTO quota_counters (quota_id, window_start, used) {SUMMED_UP}
    ON CONFLICT (quota_id) DO UPDATE SET window_start = excluded.window_start, used = excluded.used
"""
_COUNTED = """
    SELECT q.id::text, q.period, c.window_start, c.used
    FROM quotas q LEFT JOIN quota_counters c ON c.quota_id = q.id WHERE q.tenant_id = $1 ORDER BY q.id
"""


class PostgresLedger:
    """Port `Ledger`, each step a unit of work of its own."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def tenants(self, since: datetime) -> Sequence[str]:
        """Those that have limits, or usage since then."""
        async with self._databases.acquire() as session:
            return [row["tenant_id"] for row in await session.fetch(_TENANTS, since)]

    async def wrong_hours(self, tenant_id: str, since: datetime) -> Sequence[Miscount]:
        """The hours whose sums are not those of the ledger, with their requests."""
        async with self._databases.acquire() as session:
            rows = await session.fetch(_WRONG_HOURS, tenant_id, since)
        return [Miscount(rfc3339(row["bucket"]), row["had"], row["should"]) for row in rows]

    async def sum_up(self, tenant_id: str, hours: Sequence[str]) -> None:
        """Make the sums of these hours anew."""
        buckets = sorted(datetime.fromisoformat(hour) for hour in hours)
        async with UnitOfWork(self._databases):
            session = await _alone(tenant_id)
            await session.execute(_FORGET_HOURS, tenant_id, buckets)
            await session.execute(_SUM_UP, tenant_id, buckets, buckets[0], buckets[-1])
            for day in sorted({bucket.astimezone(UTC).replace(hour=0) for bucket in buckets}):
                span = (tenant_id, day, day + timedelta(days=1))
                for statement in FORGET_DAYS:
                    await session.execute(statement, *span)
                await session.execute(MAKE_DAYS, *span)

    async def wrong_counters(self, tenant_id: str) -> Sequence[Miscount]:
        """The limits whose count in the mirror is not that of the ledger."""
        async with self._databases.acquire() as session:
            rows = await session.fetch(_WRONG_COUNTERS, tenant_id)
        return [Miscount(row["quota_id"], row["had"], row["should"]) for row in rows]

    async def count_anew(self, tenant_id: str) -> None:
        """Make the mirror's counts of the windows that hold now anew."""
        async with UnitOfWork(self._databases):
            session = await _alone(tenant_id)
            await session.execute(_COUNT_ANEW, tenant_id)

    async def counted(self, tenant_id: str) -> Sequence[Counted]:
        """The mirror's counts of all limits of a tenant, in the windows that hold now."""
        async with self._databases.acquire() as session:
            rows = await session.fetch(_COUNTED, tenant_id)
        now = utc_now()
        found = []
        for row in rows:
            span = span_of(row["period"], now)
            used = row["used"] if row["window_start"] == span.began else 0
            found.append(Counted(tenant_id, row["id"], counter_key(tenant_id, row["id"], span), used))
        return found


async def _alone(tenant_id: str) -> Connection:
    session = await connection()
    await changing(session, tenant_id)
    return session
