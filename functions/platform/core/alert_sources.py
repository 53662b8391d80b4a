"""What events say, as conditions that raise alerts."""

from functions.kit.clock import rfc3339, utc_now
from functions.kit.subjects import AlertSeverity, QuotaThreshold, SystemSignal
from functions.platform.core.alerts import Condition
from functions.platform.core.models import tenant_id_of

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


def signal_key(signal: SystemSignal) -> str:
    """What the alert about a failure is found by."""
    return f"system:{signal.condition}:{signal.name}"


def _severity(threshold: int) -> AlertSeverity:
    return "critical" if threshold >= 100 else "warning" if threshold >= 90 else "info"
