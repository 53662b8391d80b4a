"""Key figures: what a tenant, or all of them, used, paid and waited in a span of time, and how well they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from functions.kit.clock import utc_now
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest, Unprocessable
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.kpi_health import Facts, Spending
from functions.platform.core.kpi_latency import Latency
from functions.platform.core.models import Slice, tenant_id_of

Grain = Literal["minute", "hour", "day"]
Range = Literal["1h", "24h", "7d", "30d"]

_RANGES: Mapping[Range, tuple[timedelta, Grain]] = {
    "1h": (timedelta(hours=1), "minute"),
    "24h": (timedelta(days=1), "hour"),
    "7d": (timedelta(days=7), "hour"),
    "30d": (timedelta(days=30), "day"),
}
_STEPS: Mapping[Grain, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
MOST_BUCKETS = 1_000
_MINUTES_KEPT = timedelta(days=2)
# Users are known by the hour for spans up to this long, beyond it by the day.
_HOURLY_USERS = timedelta(days=2)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KpiSpan:
    """Whole buckets of one grain: `start` inclusive, `end` exclusive."""

    start: datetime
    end: datetime
    grain: Grain

    @property
    def users_grain(self) -> Grain:
        """By what who called is known."""
        return "hour" if self.end - self.start <= _HOURLY_USERS else "day"

    @property
    def users_start(self) -> datetime:
        """The beginning of the first of those."""
        return _floor(self.start, self.users_grain)

    @classmethod
    def of(
        cls, now: datetime, range_: Range | None, start: datetime | None, end: datetime | None, step: Grain | None
    ) -> "KpiSpan":
        """The span that is asked for, widened to whole buckets.

        Args:
            range_: so long, until now; 24 hours where nothing is said.
            start: aware; with it, `range_` is not used.

        Raises:
            Unprocessable: it begins after it ends, is beyond the years 2000 to 2199, has too many buckets, or is to be
                cut into minutes that are no longer kept.
        """
        end = end or now
        if start is None:
            length, grain = _RANGES[range_ or "24h"]
            start = end - length if end > _EARLIEST + length else _EARLIEST
        else:
            grain = "hour" if end - start <= timedelta(days=8) else "day"
        if not _EARLIEST <= start < end <= _LATEST:
            raise Unprocessable("from must be before to, both in the years 2000 to 2199", details={"parameter": "from"})
        grain = step or grain
        span = cls(_floor(start, grain), _ceiling(end, grain), grain)
        if (span.end - span.start) / _STEPS[grain] > MOST_BUCKETS:
            raise Unprocessable(f"more than {MOST_BUCKETS} buckets; take a larger step", details={"parameter": "step"})
        if grain == "minute" and start < now - _MINUTES_KEPT:
            raise Unprocessable("minutes are kept for two days", details={"parameter": "step"})
        return span


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted. Money in millionths of a US dollar.

    Attributes:
        requests: all metered calls, as the usage API counts them.
        internal_requests: of those, made by the platform for a caller's call.
        ok_requests: callers' calls that succeeded.
        failed_requests: callers' calls that failed, or of which nobody knows the end.
    """

    requests: int = 0
    internal_requests: int = 0
    ok_requests: int = 0
    failed_requests: int = 0
    cached_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    saved_tokens: int = 0
    cost_micro_usd: int = 0
    saved_micro_usd: int = 0
    cached_prompt_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def callers_requests(self) -> int:
        """Calls that callers made."""
        return self.requests - self.internal_requests

    @property
    def cancelled_requests(self) -> int:
        """Callers' calls that the caller left: neither a success nor a failure."""
        return self.callers_requests - self.ok_requests - self.failed_requests

    @property
    def success_rate(self) -> float | None:
        """Part of the callers' calls; None where there were none."""
        return _part(self.ok_requests, self.callers_requests)

    @property
    def error_rate(self) -> float | None:
        """Part of the callers' calls."""
        return _part(self.failed_requests, self.callers_requests)

    @property
    def cache_hit_rate(self) -> float | None:
        """Part of the callers' calls that the cache answered."""
        return _part(self.cached_requests, self.callers_requests)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One minute, hour or day."""

    start: datetime
    sums: Sums
    latency: Latency


@dataclass(frozen=True, slots=True)
class Top:
    """A model or a user, and what was used by it."""

    key: tuple[str, str]
    requests: int
    tokens: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What both a tenant's and the platform's key figures are made of."""

    span: KpiSpan
    series: Sequence[Bucket]
    active_users: int
    guardrail_alerts: int
    top_models: Sequence[Top] = field(default_factory=tuple)
    top_users: Sequence[Top] = field(default_factory=tuple)

    @property
    def sums(self) -> Sums:
        """The whole span."""
        names = Sums.__dataclass_fields__
        return Sums(**{name: sum(getattr(bucket.sums, name) for bucket in self.series) for name in names})

    @property
    def latency(self) -> Latency:
        """The whole span."""
        return Latency.of_all(bucket.latency for bucket in self.series)


@dataclass(frozen=True, slots=True)
class TenantKpis:
    """A tenant's key figures."""

    figures: Figures
    facts: Facts
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant in the platform's table."""

    id: str
    slug: str
    name: str
    sums: Sums
    latency: Latency
    active_users: int
    guardrail_alerts: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class PlatformKpis:
    """Everybody's key figures, and a page of the tenants' own."""

    figures: Figures
    facts: Sequence[Facts]
    spending: Spending
    tenants: Slice[TenantRow]
    at: datetime


class Kpis(Protocol):
    """Key figures as they are kept, within the unit of work."""

    async def figures(self, span: KpiSpan, tenant_id: str | None) -> Figures:
        """Of one tenant, or of all together; of all without users."""
        ...

    async def facts(self, now: datetime, tenant_id: str) -> Facts | None:
        """Of one tenant that is provisioned."""
        ...

    async def facts_of_all(self, now: datetime) -> Sequence[Facts]:
        """Of each tenant that is provisioned, newest first; of its spending only what health is judged by."""
        ...

    async def spending_of_all(self, now: datetime) -> Spending:
        """What all spend, without a ceiling: theirs do not add up to one of the platform."""
        ...

    async def rows(
        self, span: KpiSpan, now: datetime, facts: Mapping[str, Facts], limit: int, before: str | None
    ) -> Sequence[TenantRow]:
        """At most `limit` tenants, newest first, beginning after the one with the id `before`; they have `facts`."""
        ...


class ReadKpis:
    """Reads key figures."""

    def __init__(self, kpis: Kpis) -> None:
        self._kpis = kpis

    async def of_tenant(
        self,
        tenant_id: str,
        *,
        range_: Range | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        step: Grain | None = None,
    ) -> TenantKpis:
        """A tenant's.

        Raises:
            TenantNotFound: there is no such tenant.
            Unprocessable: the span cannot be.
        """
        now = utc_now()
        span = KpiSpan.of(now, range_, start, end, step)
        facts = await self._kpis.facts(now, tenant_id_of(tenant_id))
        if facts is None:
            raise TenantNotFound("there is no such tenant")
        return TenantKpis(await self._kpis.figures(span, tenant_id), facts, now)

    async def of_platform(
        self,
        *,
        range_: Range | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        step: Grain | None = None,
        limit: int,
        cursor: str | None,
    ) -> PlatformKpis:
        """Everybody's, with one page of tenants.

        Raises:
            Unprocessable: the span cannot be.
            InvalidRequest: the cursor is not one of this listing.
        """
        now = utc_now()
        # A week of everybody's hours is thirty times as many rows as of their days.
        days: Grain | None = "day" if range_ == "7d" and start is None else None
        span = KpiSpan.of(now, range_, start, end, step or days)
        before = _position(cursor) if cursor else None
        facts = await self._kpis.facts_of_all(now)
        by_id = {each.tenant_id: each for each in facts}
        rows = await self._kpis.rows(span, now, by_id, limit + 1, before) if limit else ()
        page = tuple(rows[:limit])
        following = encode_cursor(page[-1].id) if page and len(rows) > limit else None
        figures, spending = await self._kpis.figures(span, None), await self._kpis.spending_of_all(now)
        return PlatformKpis(figures, facts, spending, Slice(page, following), now)


def recent_since(now: datetime) -> datetime:
    """From when on calls say how well a tenant is: this hour and the one before it."""
    return _floor(now, "hour") - _STEPS["hour"]


def _position(cursor: str) -> str:
    try:
        return tenant_id_of(str(decode_cursor(cursor, str)[0]))
    except TenantNotFound as error:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"}) from error


def _floor(moment: datetime, grain: Grain) -> datetime:
    whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
    if grain != "minute":
        whole = whole.replace(minute=0)
    return whole.replace(hour=0) if grain == "day" else whole


def _ceiling(moment: datetime, grain: Grain) -> datetime:
    whole = _floor(moment, grain)
    return whole if whole == moment else whole + _STEPS[grain]


def _part(some: int, all_: int) -> float | None:
    return round(some / all_, 6) if all_ else None
