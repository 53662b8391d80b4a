"""What events say, as conditions that raise alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime

from functions.kit.clock import rfc3339, utc_now
from functions.kit.subjects import (
    AlertSeverity,
    GuardrailAlerted,
    GuardrailFinding,
    QuotaThreshold,
    SystemSignal,
    ToolChanged,
)
from functions.platform.core.alerts import Condition
from functions.platform.core.models import tenant_id_of

_GRAVITY = ("low", "medium", "high", "critical")
_SEVERITIES: dict[str, AlertSeverity] = {
    "low": "info",
    "medium": "warning",
    "high": "critical",
    "critical": "critical",
}
_UNITS = {"requests": "requests", "tokens": "tokens", "cost": "micro-dollars"}


def of_threshold(crossed: QuotaThreshold) -> Condition:
    """A crossed threshold of a limit: one alert per limit, threshold and window, however often it is told.

    Raises:
        TenantNotFound: the tenant's id is none.
    """
    subject = crossed.limited
    on = "the tenant" if subject.id is None else f"{subject.kind.replace('_', ' ')} {subject.id}"
    return Condition(
        tenant_id=tenant_id_of(crossed.tenant_id),
        kind="quota",
        severity=_severity(crossed.threshold),
        key=f"quota:{crossed.quota_id}:{crossed.limit}:{crossed.threshold}:{rfc3339(crossed.window_start)}",
        title=f"{crossed.threshold} % of the {crossed.metric} of {on} per {crossed.window} are used",
        at=utc_now(),
        details={
            "quotaId": crossed.quota_id,
            "subject": subject.model_dump(mode="json", by_alias=True),
            "metric": crossed.metric,
            "unit": _UNITS[crossed.metric],
            "window": crossed.window,
            "windowStart": rfc3339(crossed.window_start),
            "threshold": crossed.threshold,
            "used": crossed.used,
            "limit": crossed.limit,
        },
        once=True,
    )


def of_signal(signal: SystemSignal) -> Condition:
    """A failure of the platform's own; it concerns its operators."""
    titles = {
        "dead_letter": f"{signal.name} refuses events: dead letters",
        "lag": f"{signal.value} events wait for {signal.name}",
        "schedule": f"{signal.name} was due, and failed",
        "backlog": f"{signal.name}: the oldest has waited {signal.value} seconds to be published",
    }
    return Condition(
        tenant_id=None,
        kind="system",
        severity="critical" if signal.condition == "dead_letter" else "warning",
        key=signal_key(signal),
        title=titles[signal.condition],
        at=utc_now(),
        details=signal.model_dump(mode="json", by_alias=True),
    )


def of_findings(alerted: GuardrailAlerted) -> Sequence[Condition]:
    """What guardrails found in a call: one alert an hour for each detector and kind of finding, with their number.

    Raises:
        TenantNotFound: the tenant's id is none.
    """
    tenant_id, hour = tenant_id_of(alerted.tenant_id), _hour(alerted.at)
    groups: dict[tuple[str, str], list[GuardrailFinding]] = {}
    for finding in alerted.findings:
        groups.setdefault((finding.detector, finding.kind), []).append(finding)
    return [_of_group(alerted, found, tenant_id, hour) for found in groups.values()]


def of_held_tools(changed: ToolChanged) -> Condition:
    """Tools that an MCP server has changed and that are held back: one alert a server, until somebody resolves it.

    Raises:
        TenantNotFound: the tenant's id is none.
    """
    held = [*changed.changed, *changed.new]
    return Condition(
        tenant_id=tenant_id_of(changed.tenant_id),
        kind="guardrail",
        severity="critical" if changed.changed else "warning",
        key=f"tools:{changed.server}",
        title=f"MCP server {changed.server} offers other tools than were accepted: {', '.join(held)[:200]}",
        at=utc_now(),
        details=changed.model_dump(mode="json", by_alias=True, include={"server", "new", "changed"}),
    )


def _of_group(alerted: GuardrailAlerted, found: Sequence[GuardrailFinding], tenant_id: str, hour: str) -> Condition:
    gravest = max(found, key=lambda finding: _GRAVITY.index(finding.severity))
    types = sorted({finding.type for finding in found})
    return Condition(
        tenant_id=tenant_id,
        kind="guardrail",
        severity=_SEVERITIES[gravest.severity],
        key=f"guardrail:{gravest.detector}:{gravest.kind}:{hour}",
        title=f"{gravest.kind.replace('_', ' ')} found by {gravest.detector}: {', '.join(types)[:200]}",
        at=alerted.at,
        details={
            "detector": gravest.detector,
            "findingKind": gravest.kind,
            "types": types,
            "windowStart": hour,
            "last": {
                **alerted.model_dump(
                    mode="json",
                    by_alias=True,
                    include={"usage_id", "request_id", "api_key_id", "user_id", "provider", "model", "at"},
                ),
                **gravest.model_dump(mode="json", by_alias=True, include={"type", "rule", "score", "where", "excerpt"}),
            },
        },
        count=sum(finding.count for finding in found),
    )


def _hour(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return rfc3339(aware.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


def signal_key(signal: SystemSignal) -> str:
    """What the alert about a failure is found by."""
    return f"system:{signal.condition}:{signal.name}"


def _severity(threshold: int) -> AlertSeverity:
    return "critical" if threshold >= 100 else "warning" if threshold >= 90 else "info"
