"""Findings and settings of guardrails in the platform database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from functions.guardrails.core.findings import FindingFilter
from functions.guardrails.core.models import Severity
from functions.guardrails.core.ports import StoredFinding
from functions.guardrails.core.settings import GuardrailSettings
from functions.kit.clock import rfc3339
from functions.kit.database import Databases, connection
from functions.kit.identifiers import new_id
from functions.kit.subjects import GuardrailAlerted, GuardrailFinding

_ADD = """
    WITH stored AS (
        INSERT INTO guardrail_findings (id, tenant_id, usage_id, position, at, request_id, api_key_id, user_id,
                                        provider, model, kind, type, detector, rule, severity, score, occurrences,
                                        location, excerpt)
        SELECT * FROM jsonb_to_recordset($1) AS r(
            id uuid, tenant_id uuid, usage_id uuid, position int, at timestamptz, request_id text, api_key_id text,
            user_id text, provider text, model text, kind text, type text, detector text, rule text, severity smallint,
            score real, occurrences int, location text, excerpt text)
        ORDER BY usage_id, position
        ON CONFLICT (usage_id, position) DO NOTHING
        RETURNING usage_id
    )
    SELECT DISTINCT usage_id::text FROM stored
"""
_PAGE = """
    SELECT id::text, usage_id::text, at, request_id, api_key_id, user_id, provider, model, kind, type, detector, rule,
           severity, score, occurrences, location, excerpt
    FROM guardrail_findings
    WHERE tenant_id = $1::text::uuid
      AND ($2::timestamptz IS NULL OR (at, id) < ($2, $3::text::uuid))
      AND ($5::text IS NULL OR kind = $5) AND ($6::int IS NULL OR severity >= $6)
      AND ($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
      AND ($9::text IS NULL OR detector = $9) AND ($10::text IS NULL OR user_id = $10)
      AND ($11::text IS NULL OR api_key_id = $11) AND ($12::text IS NULL OR request_id = $12)
    ORDER BY at DESC, id DESC LIMIT $4
"""
_SETTINGS = "SELECT document FROM guardrail_settings WHERE tenant_id = $1::text::uuid"
_PUT = """
    INSERT INTO guardrail_settings (tenant_id, enabled, document) VALUES ($1::text::uuid, $2, $3)
    ON CONFLICT (tenant_id) DO UPDATE
        SET enabled = excluded.enabled, document = excluded.document, updated_at = now()
"""
_DELETE = """
    DELETE FROM guardrail_findings WHERE id IN (
        SELECT id FROM guardrail_findings WHERE at < now() - $1::interval LIMIT $2
    )
"""
_DELETED_AT_ONCE = 1000


class PostgresFindings:
    """Port `Findings`, within the unit of work."""

    async def add(self, alerts: Sequence[GuardrailAlerted]) -> Sequence[str]:
        """Store the findings of calls; returns the usage ids of those that were not stored before."""
        # Ids grow, and a page shows the greatest first: of one call's findings the gravest.
        rows = [
            _row(alert, position, finding)
            for alert in alerts
            for position, finding in reversed(list(enumerate(alert.findings)))
        ]
        stored = await (await connection()).fetch(_ADD, rows)
        return [row["usage_id"] for row in stored]

    async def page(
        self, tenant_id: str, wanted: FindingFilter, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[StoredFinding]:
        """At most `limit`, newest first, beyond the position `after`."""
        rows = await (await connection()).fetch(
            _PAGE,
            tenant_id,
            *(after or (None, None)),
            limit,
            wanted.kind,
            wanted.severity,
            wanted.start,
            wanted.end,
            wanted.detector,
            wanted.user_id,
            wanted.api_key_id,
            wanted.request_id,
        )
        return [_stored(dict(row)) for row in rows]


class PostgresGuardrailSettings:
    """Port `SettingsStore`. Read outside any unit of work: an event is examined before one is opened."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def of_tenant(self, tenant_id: str) -> GuardrailSettings:
        """The tenant's own, or the defaults.

        Raises:
            DependencyUnavailable: the database is away.
        """
        async with self._databases.acquire() as session:
            document = await session.fetchval(_SETTINGS, tenant_id)
        try:
            return GuardrailSettings.model_validate(document or {}, extra="ignore")
        except ValidationError:
            # What a program of another version has stored must not turn examination off.
            return GuardrailSettings()

    async def put(self, tenant_id: str, settings: GuardrailSettings) -> None:
        """Store them, within the unit of work."""
        document = settings.model_dump(mode="json", by_alias=True)
        await (await connection()).execute(_PUT, tenant_id, settings.enabled, document)


async def delete_old_findings(databases: Databases, days: int) -> int:
    """Delete what was found longer ago, some rows at a time; returns how many those were."""
    deleted, last = 0, _DELETED_AT_ONCE
    while last == _DELETED_AT_ONCE:
        async with databases.acquire() as session:
            tag = await session.execute(_DELETE, timedelta(days=days), _DELETED_AT_ONCE)
        last = int(tag.split()[-1])
        deleted += last
    return deleted


def _row(alert: GuardrailAlerted, position: int, finding: GuardrailFinding) -> dict[str, Any]:
    return {
        "id": new_id(),
        "tenant_id": alert.tenant_id,
        "usage_id": alert.usage_id,
        "position": position,
        "at": rfc3339(alert.at),
        "request_id": alert.request_id,
        "api_key_id": alert.api_key_id,
        "user_id": alert.user_id,
        "provider": alert.provider,
        "model": alert.model,
        "kind": finding.kind,
        "type": finding.type,
        "detector": finding.detector,
        "rule": finding.rule,
        "severity": int(Severity[finding.severity.upper()]),
        "score": finding.score,
        "occurrences": finding.count,
        "location": finding.where,
        "excerpt": finding.excerpt,
    }


def _stored(row: dict[str, Any]) -> StoredFinding:
    finding = GuardrailFinding(
        kind=row["kind"],
        type=row["type"],
        detector=row["detector"],
        rule=row["rule"],
        severity=Severity(row["severity"]).name.lower(),
        score=round(row["score"], 4),
        count=row["occurrences"],
        where=row["location"],
        excerpt=row["excerpt"],
    )
    names = ("id", "usage_id", "at", "request_id", "api_key_id", "user_id", "provider", "model")
    return StoredFinding(**{name: row[name] for name in names}, finding=finding)
