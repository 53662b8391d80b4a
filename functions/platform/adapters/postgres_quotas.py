"""The tenants' limits, and what was used of them, in the platform database."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from functions.kit.database import Connection, connection
from functions.platform.adapters.kpi_sums import UNCOUNTED
from functions.platform.core.quotas import Identity, Quota, QuotaDraft, QuotaSet

_SET = """
    SELECT t.id::text AS tenant_id, s.version, s.updated_at
    FROM tenants t LEFT JOIN quota_sets s ON s.tenant_id = t.id WHERE t.id = $1
"""
_QUOTAS = """
    SELECT q.id::text, q.subject_kind, q.subject_id, q.metric, q.period, q.maximum, q.hard, q.thresholds, q.created_at,
           q.updated_at, c.used, c.window_start
    FROM quotas q LEFT JOIN quota_counters c ON c.quota_id = q.id
    WHERE q.tenant_id = $1 ORDER BY q.position
"""
# Versions are given out in the order of commits; mirroring is held off so that no call falls between the ledger as it
# is summed up here and the counters as they are kept from then on.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('quotas', 0))"
_NOT_WHILE_MIRRORED = "SELECT pg_advisory_xact_lock(hashtextextended('quotas:' || $1, 0))"
_WHILE_MIRRORED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('quotas:' || $1, 0))"
_UNKNOWN = """
    SELECT s.id FROM unnest($2::text[], $3::text[]) AS s(kind, id)
    WHERE (s.kind = 'api_key' AND NOT EXISTS (
               SELECT FROM api_keys k WHERE k.tenant_id = $1 AND k.id::text = s.id))
       OR (s.kind = 'group' AND NOT EXISTS (SELECT FROM groups g WHERE g.tenant_id = $1 AND g.id::text = s.id))
"""
_NEXT = """
    INSERT INTO quota_sets (tenant_id, version) VALUES ($1, nextval('quota_versions'))
    ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, updated_at = now()
"""
_REMOVE = "DELETE FROM quotas WHERE tenant_id = $1 AND NOT id = ANY ($2::uuid[])"
_STORE = """
    INSERT INTO quotas (id, tenant_id, position, subject_kind, subject_id, metric, period, maximum, hard, thresholds,
                        created_at, updated_at)
    SELECT r.id, $1, r.position, r.subject_kind, r.subject_id, r.metric, r.period, r.maximum, r.hard, r.thresholds,
           r.created_at, r.updated_at
    FROM jsonb_to_recordset($2) AS r(
        id uuid, position int, subject_kind text, subject_id text, metric text, period text, maximum bigint, hard bool,
        thresholds int[], created_at timestamptz, updated_at timestamptz)
    ON CONFLICT (id) DO UPDATE SET position = excluded.position, maximum = excluded.maximum, hard = excluded.hard,
                                   thresholds = excluded.thresholds, updated_at = excluded.updated_at
"""
# A minute is summed up from the ledger itself, of which it is a small part; whole days from the hours.
SUMMED_UP = f"""
    SELECT q.id AS quota_id, w.began AS window_start, coalesce(
        CASE WHEN q.period = 'minute' THEN (
            SELECT sum(quota_amount(q.metric, (NOT {UNCOUNTED})::int::bigint,
                                    l.prompt_tokens + l.completion_tokens, l.cost_micro_usd))
            FROM usage_ledger l
            WHERE l.tenant_id = q.tenant_id AND l.at >= w.began AND l.at < w.began + interval '1 minute'
              AND quota_applies(q.subject_kind, q.subject_id, l.provider, l.model, l.api_key_id, l.user_id, l.groups)
        ) ELSE (
            SELECT sum(quota_amount(q.metric, h.requests - h.uncounted_requests, h.prompt_tokens + h.completion_tokens,
                                    h.cost_micro_usd))
            FROM usage_hourly h
            WHERE h.tenant_id = q.tenant_id AND h.bucket >= w.began
              AND h.bucket < date_add(w.began, ('1 ' || q.period)::interval, 'UTC')
              AND quota_applies(q.subject_kind, q.subject_id, h.provider, h.model, h.api_key_id, h.user_id, h.groups)
        ) END, 0)::bigint AS used
    FROM quotas q CROSS JOIN LATERAL (SELECT date_trunc(q.period, now(), 'UTC') AS began) w
    WHERE q.tenant_id = $1
"""  # noqa: S608 - made of our own text
_BEGIN_COUNTING = f"""
    INSERT INTO quota_counters (quota_id, window_start, used)
    SELECT * FROM ({SUMMED_UP}) s WHERE NOT EXISTS (SELECT FROM quota_counters c WHERE c.quota_id = s.quota_id)
"""  # noqa: S608 - made of this module's own text


class PostgresQuotas:
    """Port `Quotas`."""

    async def find(self, tenant_id: str) -> QuotaSet | None:
        """A tenant's limits in the order they were given; None when there is no such tenant."""
        session = await connection()
        stored = await session.fetchrow(_SET, tenant_id)
        if stored is None:
            return None
        rows = await session.fetch(_QUOTAS, tenant_id)
        quotas = [_quota(dict(row)) for row in rows]
        return QuotaSet(stored["tenant_id"], stored["version"] or 0, stored["updated_at"], quotas)

    async def lock(self, tenant_id: str) -> None:
        """Hold off other changes of limits, and the mirroring of this tenant's usage, until the unit of work ends."""
        session = await connection()
        await session.execute(_ONE_AT_A_TIME)
        await changing(session, tenant_id)

    async def unknown(self, tenant_id: str, drafts: Sequence[QuotaDraft]) -> Sequence[str]:
        """The ids of groups and API keys among the subjects that the tenant does not have."""
        named = [(d.identity.subject_kind, d.identity.subject_id) for d in drafts if d.identity.subject_id]
        session = await connection()
        rows = await session.fetch(_UNKNOWN, tenant_id, [kind for kind, _ in named], [name for _, name in named])
        return [row["id"] for row in rows]

    async def replace(self, tenant_id: str, quotas: Sequence[Quota]) -> QuotaSet:
        """Make these all limits of a tenant; what was used of the new ones is counted from the ledger."""
        session = await connection()
        await session.execute(_NEXT, tenant_id)
        await session.execute(_REMOVE, tenant_id, [quota.id for quota in quotas])
        await session.execute(_STORE, tenant_id, list(_rows(quotas)))
        await session.execute(_BEGIN_COUNTING, tenant_id)
        found = await self.find(tenant_id)
        if found is None:
            raise LookupError(f"tenant {tenant_id} has gone")
        return found


async def changing(session: Connection, tenant_id: str) -> None:
    """Hold off the mirroring of a tenant's usage until the unit of work ends."""
    await session.execute(_NOT_WHILE_MIRRORED, tenant_id)


async def mirroring(session: Connection, tenant_id: str) -> None:
    """Hold off changes of a tenant's limits until the unit of work ends: it is about to add to their counters."""
    await session.execute(_WHILE_MIRRORED, tenant_id)


def _rows(quotas: Sequence[Quota]) -> Iterator[dict[str, Any]]:
    for position, quota in enumerate(quotas):
        draft = quota.draft
        yield {
            "id": quota.id,
            "position": position,
            "subject_kind": draft.identity.subject_kind,
            "subject_id": draft.identity.subject_id,
            "metric": draft.identity.metric,
            "period": draft.identity.window,
            "maximum": draft.maximum,
            "hard": draft.hard,
            "thresholds": list(draft.thresholds),
            "created_at": quota.created_at,
            "updated_at": quota.updated_at,
        }


def _quota(row: Mapping[str, Any]) -> Quota:
    identity = Identity(row["subject_kind"], row["subject_id"], row["metric"], row["period"])
    draft = QuotaDraft(identity, row["maximum"], row["hard"], tuple(row["thresholds"]))
    return Quota(row["id"], draft, row["created_at"], row["updated_at"], row["used"] or 0, row["window_start"])
