"""What a tenant spends, and how well it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from functions.kit.quotas import span_of

HealthState = Literal["healthy", "degraded", "critical"]

# Fewer failures in an hour are no reason.
LEAST_FAILED = 5
_BURN = timedelta(days=7)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spending:
    """What a tenant, or all together, spent of what they may.

    Attributes:
        month: spent in the calendar month (UTC) so far.
        week: spent in the last seven days.
        first: when the first of those seven days' calls was; None without any.
        ceiling: the limit on the tenant's cost per month; None without one.
        hard: whether the ceiling refuses calls.
    """

    month: int = 0
    week: int = 0
    first: datetime | None = None
    ceiling: int | None = None
    hard: bool = False

    def used_part(self) -> float | None:
        """Of the ceiling; None without one."""
        if self.ceiling is None:
            return None
        return self.month / self.ceiling if self.ceiling else 1.0

    def per_day(self, now: datetime) -> int:
        """The mean of the last seven days, or of those since the first call in them, at least one."""
        if self.first is None:
            return 0
        elapsed = now - max(self.first, now - _BURN)
        return round(self.week * (_DAY / max(elapsed, _DAY)))

    def forecast(self, now: datetime) -> int:
        """What the month will have cost at its end if every day to come is like the mean of the last seven."""
        left = span_of("month", now).resets - now
        return self.month + round(self.per_day(now) * (left / _DAY))

    def reached_at(self, now: datetime) -> datetime | None:
        """When that reaches the ceiling; None if not in this month."""
        if self.ceiling is None:
            return None
        left, pace = self.ceiling - self.month, self.per_day(now)
        if left <= 0:
            return now
        if pace * (span_of("month", now).resets - now) / _DAY <= left:
            return None
        return now + _DAY * (left / pace)


@dataclass(frozen=True, slots=True)
class Health:
    """How well a tenant is, and why it is not well."""

    status: HealthState = "healthy"
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """By what a tenant's health is judged: this hour and the one before it, its spending, its alerts."""

    tenant_id: str
    status: str
    requests: int
    failed_requests: int
    spending: Spending
    critical_alerts: int
    warning_alerts: int
    info_alerts: int

    def health(self) -> Health:
        """How well it is, by the gravest reason."""
        reasons: list[tuple[HealthState, str]] = []
        if self.status == "suspended":
            reasons.append(("critical", "suspended"))
        used = self.spending.used_part()
        if used is not None and used >= 0.9:
            full = used >= 1 and self.spending.hard
            reasons.append(("critical", "ceiling_reached") if full else ("degraded", "ceiling_near"))
        if self.failed_requests >= LEAST_FAILED and self.failed_requests * 20 >= self.requests:
            half = self.failed_requests * 2 >= self.requests
            reasons.append(("critical" if half else "degraded", "errors"))
        if self.critical_alerts:
            reasons.append(("degraded", "critical_alerts"))
        states = {state for state, _ in reasons}
        worst: HealthState = "critical" if "critical" in states else "degraded" if states else "healthy"
        return Health(worst, tuple(reason for _, reason in reasons))
