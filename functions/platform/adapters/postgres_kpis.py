"""Key figures in the platform database."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.kit.database import connection
from functions.kit.quotas import span_of
from functions.platform.adapters.kpi_sums import SUMS
from functions.platform.core.kpi_health import Facts, Spending
from functions.platform.core.kpi_latency import Latency
from functions.platform.core.kpis import RECENT, Bucket, Figures, KpiSpan, Sums, TenantRow, Top

_TOP = 10
_WEEK = timedelta(days=7)
_MINUTES, _HOURS = timedelta(days=2, hours=1), timedelta(days=35)
_ADDED = ", ".join(f"sum({name})::bigint AS {name}" for name in SUMS)
_OF_ALL, _OF_ONE = "$3::uuid IS NULL", "tenant_id = $3"
# {whose} is one of the two above: a tenant's figures are found by their key, everybody's by their time.
_SERIES = f"""
    WITH sums AS (
        SELECT bucket, {_ADDED} FROM kpis
        WHERE grain = $4 AND {{whose}} AND bucket >= $1 AND bucket < $2 GROUP BY bucket
    ), slots AS (
        SELECT bucket, jsonb_object_agg(slot, calls) AS slots FROM (
            SELECT bucket, slot, sum(calls)::bigint AS calls FROM kpi_latency
            WHERE grain = $4 AND {{whose}} AND bucket >= $1 AND bucket < $2 GROUP BY bucket, slot) l
        GROUP BY bucket
    )
    SELECT sums.*, coalesce(slots.slots, '{{{{}}}}') AS slots FROM sums LEFT JOIN slots USING (bucket) ORDER BY bucket
"""  # noqa: S608 - made of this module's own text
_TOP_MODELS = f"""
    SELECT provider AS key, model AS subkey, sum(requests)::bigint AS requests,
           sum(prompt_tokens + completion_tokens)::bigint AS tokens, sum(cost_micro_usd)::bigint AS cost_micro_usd
    FROM kpis WHERE grain = $4 AND {{whose}} AND bucket >= $1 AND bucket < $2
    GROUP BY 1, 2 ORDER BY cost_micro_usd DESC, requests DESC, 1, 2 LIMIT {_TOP}
"""  # noqa: S608 - made of this module's own text
# Who used most is known by the hour alone.
_TOP_USERS = f"""
    SELECT user_id AS key, '' AS subkey, sum(requests)::bigint AS requests,
           sum(prompt_tokens + completion_tokens)::bigint AS tokens, sum(cost_micro_usd)::bigint AS cost_micro_usd
    FROM usage_hourly WHERE tenant_id = $3 AND bucket >= date_trunc('hour', $1::timestamptz, 'UTC') AND bucket < $2
      AND user_id IS NOT NULL
    GROUP BY 1 ORDER BY cost_micro_usd DESC, requests DESC, 1 LIMIT {_TOP}
"""  # noqa: S608 - made of this module's own text
_USERS = """
    SELECT count(*) FROM (SELECT DISTINCT tenant_id, user_id FROM kpi_users
                          WHERE grain = $4 AND {whose} AND bucket >= $1 AND bucket < $2) u
"""
_GUARDRAILS = """
    SELECT coalesce(sum(count), 0)::bigint FROM alerts
    WHERE kind = 'guardrail' AND {whose} AND raised_at >= $1 AND raised_at < $2
"""
# What health is judged by; {tenants} gives the tenants, {one} narrows the sums to the only one.
_FACTS = """
    SELECT t.id::text AS tenant_id, t.status, coalesce(r.requests, 0)::bigint AS requests,
           coalesce(r.failed, 0)::bigint AS failed_requests, coalesce(m.cost, 0)::bigint AS month,
           coalesce(w.cost, 0)::bigint AS week, w.first, q.maximum AS ceiling, coalesce(q.hard, false) AS hard,
           coalesce(a.critical, 0) AS critical_alerts, coalesce(a.warning, 0) AS warning_alerts,
           coalesce(a.info, 0) AS info_alerts
    FROM tenants t
    LEFT JOIN (SELECT tenant_id, sum(requests - internal_requests) AS requests, sum(failed_requests) AS failed
               FROM kpis WHERE grain = 'minute' AND bucket >= $1 {one} GROUP BY 1) r ON r.tenant_id = t.id
    LEFT JOIN (SELECT tenant_id, sum(cost_micro_usd) AS cost FROM kpis
               WHERE grain = 'day' AND bucket >= $2 AND bucket < $3 {one} GROUP BY 1) m ON m.tenant_id = t.id
    LEFT JOIN (SELECT tenant_id, sum(cost_micro_usd) AS cost, min(bucket) AS first FROM kpis
               WHERE grain = 'hour' AND bucket >= $4 {one} GROUP BY 1) w ON w.tenant_id = t.id
    LEFT JOIN quotas q ON q.tenant_id = t.id AND q.subject_kind = 'tenant' AND q.metric = 'cost' AND q.period = 'month'
    LEFT JOIN (SELECT tenant_id, count(*) FILTER (WHERE severity = 'critical') AS critical,
                      count(*) FILTER (WHERE severity = 'warning') AS warning,
                      count(*) FILTER (WHERE severity = 'info') AS info
               FROM alerts WHERE status <> 'resolved' {one} GROUP BY 1) a ON a.tenant_id = t.id
    WHERE t.status <> 'provisioning' {only}
    ORDER BY t.id DESC
"""
_ROWS = f"""
    SELECT t.id::text, t.slug, t.name, k.*, coalesce(l.slots, '{{}}') AS slots, u.users, g.findings
    FROM (SELECT id, slug, name FROM tenants
          WHERE status <> 'provisioning' AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5) t
    LEFT JOIN LATERAL (
        SELECT {_ADDED} FROM kpis WHERE grain = $1 AND tenant_id = t.id AND bucket >= $2 AND bucket < $3) k ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(slot, calls) AS slots FROM (
            SELECT slot, sum(calls)::bigint AS calls FROM kpi_latency
            WHERE grain = $1 AND tenant_id = t.id AND bucket >= $2 AND bucket < $3 GROUP BY slot) s) l ON true
    LEFT JOIN LATERAL (
        SELECT count(DISTINCT user_id) AS users FROM kpi_users
        WHERE grain = $6 AND tenant_id = t.id AND bucket >= $7 AND bucket < $3) u ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(count), 0)::bigint AS findings FROM alerts
        WHERE kind = 'guardrail' AND tenant_id = t.id AND raised_at >= $2 AND raised_at < $3) g ON true
    ORDER BY t.id DESC
"""  # noqa: S608 - made of this module's own text


class PostgresKpis:
    """Port `Kpis`."""

    async def figures(self, span: KpiSpan, tenant_id: str | None) -> Figures:
        """Of one tenant, or of all together; of all without users."""
        session, whose = await connection(), _OF_ALL if tenant_id is None else _OF_ONE
        given = (span.start, span.end, tenant_id)
        series = await session.fetch(_SERIES.format(whose=whose), *given, span.grain)
        models = await session.fetch(_TOP_MODELS.format(whose=whose), *given, span.grain)
        users = [] if tenant_id is None else await session.fetch(_TOP_USERS, *given)
        active = (span.users_start, span.end, tenant_id, span.users_grain)
        return Figures(
            span=span,
            series=[_bucket(dict(row)) for row in series],
            active_users=await session.fetchval(_USERS.format(whose=whose), *active),
            guardrail_alerts=await session.fetchval(_GUARDRAILS.format(whose=whose), *given),
            top_models=[_top(dict(row)) for row in models],
            top_users=[_top(dict(row)) for row in users],
        )

    async def facts(self, now: datetime, tenant_id: str | None = None) -> Sequence[Facts]:
        """Of one tenant, or of each that is provisioned."""
        month = span_of("month", now)
        times = (now - RECENT, month.began, month.resets, now - _WEEK)
        session = await connection()
        if tenant_id is None:
            rows = await session.fetch(_FACTS.format(one="", only=""), *times)
        else:
            query = _FACTS.format(one="AND tenant_id = $5", only="AND t.id = $5")
            rows = await session.fetch(query, *times, tenant_id)
        return [_facts(dict(row)) for row in rows]

    async def rows(
        self, span: KpiSpan, facts: Mapping[str, Facts], limit: int, before: str | None
    ) -> Sequence[TenantRow]:
        """At most `limit` tenants, newest first, beginning after the one with the id `before`."""
        given = (span.grain, span.start, span.end, before, limit, span.users_grain, span.users_start)
        rows = await (await connection()).fetch(_ROWS, *given)
        return [_row(dict(row), facts[row["id"]]) for row in rows if row["id"] in facts]

    async def forget(self, now: datetime) -> None:
        """Forget minutes after two days, and who called in which hour after five weeks; the days stay."""
        session = await connection()
        for table in ("kpis", "kpi_latency"):
            await session.execute(f"DELETE FROM {table} WHERE grain = 'minute' AND bucket < $1", now - _MINUTES)  # noqa: S608
        await session.execute("DELETE FROM kpi_users WHERE grain = 'hour' AND bucket < $1", now - _HOURS)


def _bucket(row: Mapping[str, Any]) -> Bucket:
    return Bucket(row["bucket"], _sums(row), _latency(row))


def _sums(row: Mapping[str, Any]) -> Sums:
    return Sums(**{name: row[name] or 0 for name in SUMS})


def _latency(row: Mapping[str, Any]) -> Latency:
    return Latency({int(slot): calls for slot, calls in row["slots"].items()})


def _top(row: Mapping[str, Any]) -> Top:
    return Top((row["key"], row["subkey"]), row["requests"], row["tokens"], row["cost_micro_usd"])


def _facts(row: dict[str, Any]) -> Facts:
    spending = Spending(**{name: row.pop(name) for name in ("month", "week", "first", "ceiling", "hard")})
    return Facts(spending=spending, **row)


def _row(row: Mapping[str, Any], facts: Facts) -> TenantRow:
    return TenantRow(
        row["id"], row["slug"], row["name"], _sums(row), _latency(row), row["users"], row["findings"], facts
    )
