"""Key figures in the platform database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from functions.kit.database import connection
from functions.kit.quotas import span_of
from functions.platform.adapters.kpi_sums import SUMS
from functions.platform.core.kpi_health import Facts, Spending
from functions.platform.core.kpi_latency import Latency
from functions.platform.core.kpis import Bucket, Figures, KpiSpan, Sums, TenantRow, Top, recent_since

_TOP = 10
_SPENDING = ("month", "week", "first")
_WEEK = timedelta(days=7)
_MINUTES, _HOURS = timedelta(days=2, hours=1), timedelta(days=35)
_ADDED = ", ".join(f"sum({name})::bigint AS {name}" for name in SUMS)
# A tenant's figures are found by their key; everybody's are kept as sums of their own, but for who called.
_OF_ONE = {"sums": "kpis", "latencies": "kpi_latency", "whose": "tenant_id = $3"}
_OF_ALL = {"sums": "kpis_together", "latencies": "kpi_latency_together", "whose": "$3::uuid IS NULL"}
_SERIES = f"""
    WITH sums AS (
        SELECT bucket, {_ADDED} FROM {{sums}}
        WHERE grain = $4 AND {{whose}} AND bucket >= $1 AND bucket < $2 GROUP BY bucket HAVING sum(requests) > 0
    ), slots AS (
        SELECT bucket, jsonb_object_agg(slot, calls) AS slots FROM (
            SELECT bucket, slot, sum(calls)::bigint AS calls FROM {{latencies}}
            WHERE grain = $4 AND {{whose}} AND bucket >= $1 AND bucket < $2 GROUP BY bucket, slot) l
        GROUP BY bucket
    )
    SELECT sums.*, coalesce(slots.slots, '{{{{}}}}') AS slots FROM sums LEFT JOIN slots USING (bucket) ORDER BY bucket
"""  # noqa: S608 - made of this module's own text
_TOP_MODELS = f"""
    SELECT provider AS key, model AS subkey, sum(requests)::bigint AS requests,
           sum(prompt_tokens + completion_tokens)::bigint AS tokens, sum(cost_micro_usd)::bigint AS cost_micro_usd
    FROM {{sums}} WHERE grain = $4 AND {{whose}} AND bucket >= $1 AND bucket < $2
    GROUP BY 1, 2 HAVING sum(requests) > 0 ORDER BY cost_micro_usd DESC, requests DESC, 1, 2 LIMIT {_TOP}
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
# From $1 until $2 is the month, from $3 on the last seven days, of which $4 begins the first whole one.
_SPENT = """
    SELECT (SELECT coalesce(sum(cost_micro_usd), 0) FROM {sums}
            WHERE grain = 'day' AND {whose} AND bucket >= $1 AND bucket < $2)::bigint AS month,
           (SELECT coalesce(sum(cost_micro_usd), 0) FROM (
                SELECT cost_micro_usd FROM {sums} WHERE grain = 'hour' AND {whose} AND bucket >= $3 AND bucket < $4
                UNION ALL SELECT cost_micro_usd FROM {sums} WHERE grain = 'day' AND {whose} AND bucket >= $4
            ) w)::bigint AS week,
           (SELECT bucket FROM {sums} WHERE grain = 'hour' AND {whose} AND bucket >= $3
            ORDER BY bucket LIMIT 1) AS first
"""
_SPENT_BY_ALL = _SPENT.format(sums="kpis_together", whose="requests > 0")
_SPENT_BY_SOME = f"""
    SELECT t.id::text, s.* FROM unnest($5::uuid[]) AS t(id)
    CROSS JOIN LATERAL ({_SPENT.format(sums="kpis", whose="tenant_id = t.id")}) s
"""  # noqa: S608 - made of this module's own text
# What health is judged by: whole hours, and of what was spent the count kept for the ceiling, where there is one.
_FACTS = """
    SELECT t.id::text AS tenant_id, t.status, coalesce(r.requests, 0)::bigint AS requests,
           coalesce(r.failed, 0)::bigint AS failed_requests,
           CASE WHEN c.window_start = $2 THEN c.used ELSE 0 END AS month,
           q.maximum AS ceiling, coalesce(q.hard, false) AS hard, coalesce(a.critical, 0) AS critical_alerts,
           coalesce(a.warning, 0) AS warning_alerts, coalesce(a.info, 0) AS info_alerts
    FROM tenants t
    LEFT JOIN LATERAL (
        SELECT sum(requests - internal_requests) AS requests, sum(failed_requests) AS failed FROM kpis
        WHERE grain = 'hour' AND tenant_id = t.id AND bucket >= $1) r ON true
    LEFT JOIN quotas q ON q.tenant_id = t.id AND q.subject_kind = 'tenant' AND q.metric = 'cost' AND q.period = 'month'
    LEFT JOIN quota_counters c ON c.quota_id = q.id
    LEFT JOIN (SELECT tenant_id, count(*) FILTER (WHERE severity = 'critical') AS critical,
                      count(*) FILTER (WHERE severity = 'warning') AS warning,
                      count(*) FILTER (WHERE severity = 'info') AS info
               FROM alerts WHERE status <> 'resolved' {one} GROUP BY 1) a ON a.tenant_id = t.id
    WHERE t.status <> 'provisioning' {only}
    ORDER BY t.id DESC
"""
_FACTS_OF_ALL = _FACTS.format(one="", only="")
_FACTS_OF_ONE = _FACTS.format(one="AND tenant_id = $3", only="AND t.id = $3")
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
        session, of = await connection(), _OF_ALL if tenant_id is None else _OF_ONE
        given = (span.start, span.end, tenant_id)
        series = await session.fetch(_SERIES.format(**of), *given, span.grain)
        models = await session.fetch(_TOP_MODELS.format(**of), *given, span.grain)
        users = [] if tenant_id is None else await session.fetch(_TOP_USERS, *given)
        active = (span.users_start, span.end, tenant_id, span.users_grain)
        return Figures(
            span=span,
            series=[_bucket(dict(row)) for row in series],
            active_users=await session.fetchval(_USERS.format(**of), *active),
            guardrail_alerts=await session.fetchval(_GUARDRAILS.format(**of), *given),
            top_models=[_top(dict(row)) for row in models],
            top_users=[_top(dict(row)) for row in users],
        )

    async def facts(self, now: datetime, tenant_id: str) -> Facts | None:
        """Of one tenant that is provisioned."""
        row = await (await connection()).fetchrow(_FACTS_OF_ONE, *_health_times(now), tenant_id)
        return None if row is None else (await _spending(now, [_facts(dict(row))]))[0]

    async def facts_of_all(self, now: datetime) -> Sequence[Facts]:
        """Of each tenant that is provisioned, newest first; of its spending only what health is judged by."""
        rows = await (await connection()).fetch(_FACTS_OF_ALL, *_health_times(now))
        return [_facts(dict(row)) for row in rows]

    async def spending_of_all(self, now: datetime) -> Spending:
        """What all spend, without a ceiling: theirs do not add up to one of the platform."""
        row = await (await connection()).fetchrow(_SPENT_BY_ALL, *_spending_times(now))
        return Spending(**dict(row)) if row else Spending()

    async def rows(
        self, span: KpiSpan, now: datetime, facts: Mapping[str, Facts], limit: int, before: str | None
    ) -> Sequence[TenantRow]:
        """At most `limit` tenants, newest first, beginning after the one with the id `before`."""
        given = (span.grain, span.start, span.end, before, limit, span.users_grain, span.users_start)
        found = [dict(row) for row in await (await connection()).fetch(_ROWS, *given) if row["id"] in facts]
        whole = await _spending(now, [facts[row["id"]] for row in found])
        return [_row(row, each) for row, each in zip(found, whole, strict=True)]

    async def forget(self, now: datetime) -> None:
        """Forget minutes after two days, and who called in which hour after five weeks; the days stay."""
        session = await connection()
        for table in ("kpis", "kpi_latency", "kpis_together", "kpi_latency_together"):
            await session.execute(f"DELETE FROM {table} WHERE grain = 'minute' AND bucket < $1", now - _MINUTES)  # noqa: S608
        await session.execute("DELETE FROM kpi_users WHERE grain = 'hour' AND bucket < $1", now - _HOURS)


async def _spending(now: datetime, facts: Sequence[Facts]) -> Sequence[Facts]:
    """The same, with all that they spent."""
    given = (*_spending_times(now), [each.tenant_id for each in facts])
    spent = {
        row["id"]: {name: row[name] for name in _SPENDING}
        for row in await (await connection()).fetch(_SPENT_BY_SOME, *given)
    }
    return [replace(each, spending=replace(each.spending, **spent[each.tenant_id])) for each in facts]


def _health_times(now: datetime) -> tuple[datetime, datetime]:
    return recent_since(now), span_of("month", now).began


def _spending_times(now: datetime) -> tuple[datetime, datetime, datetime, datetime]:
    month, week = span_of("month", now), now - _WEEK
    return month.began, month.resets, week, span_of("day", week).resets


def _bucket(row: Mapping[str, Any]) -> Bucket:
    return Bucket(row["bucket"], _sums(row), _latency(row))


def _sums(row: Mapping[str, Any]) -> Sums:
    return Sums(**{name: row[name] or 0 for name in SUMS})


def _latency(row: Mapping[str, Any]) -> Latency:
    return Latency({int(slot): calls for slot, calls in row["slots"].items()})


def _top(row: Mapping[str, Any]) -> Top:
    return Top((row["key"], row["subkey"]), row["requests"], row["tokens"], row["cost_micro_usd"])


def _facts(row: dict[str, Any]) -> Facts:
    spending = Spending(**{name: row.pop(name) for name in ("month", "ceiling", "hard")})
    return Facts(spending=spending, **row)


def _row(row: Mapping[str, Any], facts: Facts) -> TenantRow:
    return TenantRow(
        row["id"], row["slug"], row["name"], _sums(row), _latency(row), row["users"], row["findings"], facts
    )
