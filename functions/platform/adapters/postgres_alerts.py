"""Alerts, and the calls to providers of the last minutes, in the platform database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from functions.kit.database import connection
from functions.kit.subjects import Alert
from functions.platform.core.alerts import AlertFilter, Condition, Sighting
from functions.platform.core.watch_providers import Calls, Tally

_COLUMNS = """a.id::text, a.tenant_id::text, a.kind, a.severity, a.status, a.title, a.details, a.count, a.raised_at,
    a.last_seen_at, a.updated_at, a.acknowledged_at, a.acknowledged_by, a.assigned_to, a.assigned_at, a.assigned_by,
    a.resolved_at, a.resolved_by, a.note"""
_INSERT = """
    INSERT INTO alerts AS a (id, tenant_id, kind, severity, key, once, title, details, count, raised_at, last_seen_at,
                             updated_at)
    VALUES (uuidv7(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, clock_timestamp())
"""
_RAISE_ONCE = f"{_INSERT} ON CONFLICT (tenant_id, key) WHERE once DO NOTHING RETURNING {_COLUMNS}"
# What is known of the newest time it was seen is kept.
_SEE = f"""
    {_INSERT}
    ON CONFLICT (tenant_id, key) WHERE NOT once AND status <> 'resolved' DO UPDATE SET
        count = a.count + excluded.count,
        severity = CASE WHEN array_position($10::text[], a.severity) > array_position($10::text[], excluded.severity)
                        THEN a.severity ELSE excluded.severity END,
        title = CASE WHEN excluded.last_seen_at >= a.last_seen_at THEN excluded.title ELSE a.title END,
        details = CASE WHEN excluded.last_seen_at >= a.last_seen_at THEN excluded.details ELSE a.details END,
        last_seen_at = greatest(a.last_seen_at, excluded.last_seen_at),
        updated_at = excluded.updated_at
    RETURNING WITH (OLD AS o, NEW AS n) {_COLUMNS.replace("a.", "n.")}, o.count AS old_count, o.severity AS old_severity
"""
_PAGE = f"""
    SELECT {_COLUMNS} FROM alerts a
    WHERE ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR tenant_id = $3)
      AND ($4::text[] = '{{}}' OR kind = ANY ($4)) AND ($5::text[] = '{{}}' OR severity = ANY ($5))
      AND ($6::text[] = '{{}}' OR status = ANY ($6))
      AND ($7::timestamptz IS NULL OR raised_at >= $7) AND ($8::timestamptz IS NULL OR raised_at < $8)
    ORDER BY id DESC LIMIT $1
"""  # noqa: S608 - the columns are ours
_UNRESOLVED = f"""
    SELECT {_COLUMNS} FROM alerts a
    WHERE tenant_id IS NOT DISTINCT FROM $1::uuid AND key = $2 AND NOT once AND status <> 'resolved' FOR UPDATE
"""  # noqa: S608 - the columns are ours
_CHANGE = """
    UPDATE alerts SET status = $2, updated_at = $3, acknowledged_at = $4, acknowledged_by = $5, assigned_to = $6,
                      assigned_at = $7, assigned_by = $8, resolved_at = $9, resolved_by = $10, note = $11
    WHERE id = $1
"""
_ADD_CALLS = """
    INSERT INTO provider_minutes AS p (tenant_id, provider, minute, calls, errors)
    SELECT $1, * FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[]) AS given(provider, minute)
    ORDER BY provider, minute
    ON CONFLICT (tenant_id, provider, minute) DO UPDATE SET calls = p.calls + excluded.calls,
                                                            errors = p.errors + excluded.errors
"""
_CALLS = """
    SELECT provider, sum(calls)::bigint AS calls, sum(errors)::bigint AS errors FROM provider_minutes
    WHERE tenant_id = $1 AND provider = ANY ($2) AND minute >= $3 GROUP BY provider
"""
_FORGET_CALLS = "DELETE FROM provider_minutes WHERE minute < $1"
_TROUBLED = """
    SELECT tenant_id::text, substr(key, length($1) + 1) AS provider, last_seen_at FROM alerts
    WHERE kind = 'provider' AND status <> 'resolved' AND starts_with(key, $1)
"""
_SEVERITIES = ["info", "warning", "critical"]


class PostgresAlerts:
    """Port `Alerts`."""

    async def see(self, condition: Condition) -> Sighting | None:
        """Raise an alert or add to the one there is; None when it was raised before, once and for all."""
        session = await connection()
        given = (
            condition.tenant_id, condition.kind, condition.severity, condition.key, condition.once, condition.title,
            dict(condition.details), condition.count, condition.at,
        )  # fmt: skip
        if condition.once:
            row = await session.fetchrow(_RAISE_ONCE, *given)
            return Sighting(_alert(row.items()), None) if row else None
        row = await session.fetchrow(_SEE, *given, _SEVERITIES)
        if row is None:
            raise LookupError("an upsert gave no row")
        fields = dict(row)
        count, severity = fields.pop("old_count"), fields.pop("old_severity")
        return Sighting(Alert(**fields), None if count is None else (count, severity))

    async def page(self, wanted: AlertFilter, limit: int, before: str | None) -> Sequence[Alert]:
        """By id, which is by time: ids are UUIDv7."""
        rows = await (await connection()).fetch(
            _PAGE,
            limit,
            before,
            wanted.tenant_id,
            list(wanted.kinds),
            list(wanted.severities),
            list(wanted.statuses),
            wanted.start,
            wanted.end,
        )
        return [_alert(row.items()) for row in rows]

    async def find(self, alert_id: str, *, lock: bool = False) -> Alert | None:
        """An alert of anybody's."""
        query = f"SELECT {_COLUMNS} FROM alerts a WHERE id = $1 {'FOR UPDATE' if lock else ''}"  # noqa: S608
        row = await (await connection()).fetchrow(query, alert_id)
        return _alert(row.items()) if row else None

    async def unresolved(self, tenant_id: str | None, key: str) -> Alert | None:
        """The alert about this that is not resolved, locked."""
        row = await (await connection()).fetchrow(_UNRESOLVED, tenant_id, key)
        return _alert(row.items()) if row else None

    async def change(self, alert: Alert) -> None:
        """Store how far an alert is."""
        await (await connection()).execute(
            _CHANGE,
            alert.id,
            alert.status,
            alert.updated_at,
            alert.acknowledged_at,
            alert.acknowledged_by,
            alert.assigned_to,
            alert.assigned_at,
            alert.assigned_by,
            alert.resolved_at,
            alert.resolved_by,
            alert.note,
        )


class PostgresProviderCalls:
    """Port `ProviderCalls`."""

    async def add(self, tenant_id: str, calls: Mapping[tuple[str, datetime], Tally]) -> None:
        """Count calls by provider and minute."""
        await (await connection()).execute(
            _ADD_CALLS,
            tenant_id,
            [provider for provider, _ in calls],
            [minute for _, minute in calls],
            [tally.calls for tally in calls.values()],
            [tally.errors for tally in calls.values()],
        )

    async def since(self, tenant_id: str, providers: Sequence[str], start: datetime) -> Mapping[str, Tally]:
        """What was counted from a minute on, by provider; none that was not called."""
        rows = await (await connection()).fetch(_CALLS, tenant_id, list(providers), start)
        return {row["provider"]: Tally(row["calls"], row["errors"]) for row in rows}

    async def forget(self, before: datetime) -> None:
        """Forget the minutes before a moment."""
        await (await connection()).execute(_FORGET_CALLS, before)

    async def troubled(self, prefix: str) -> Sequence[Calls]:
        """The providers about which an alert is not resolved, and when they last gave cause for it."""
        rows = await (await connection()).fetch(_TROUBLED, prefix)
        return [Calls(row["tenant_id"], row["provider"], row["last_seen_at"]) for row in rows]


def _alert(row: Iterable[tuple[str, Any]]) -> Alert:
    return Alert(**dict(row))
