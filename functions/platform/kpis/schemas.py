"""Key figures on the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from functions.kit.models import ApiModel, Page
from functions.platform.core.kpi_health import Facts, Health, HealthState, Spending
from functions.platform.core.kpi_latency import RELATIVE_ERROR, Latency
from functions.platform.core.kpis import (
    Bucket,
    Figures,
    Grain,
    PlatformKpis,
    Range,
    Sums,
    TenantKpis,
    TenantRow,
    Top,
)

MicroUsd = Annotated[int, Field(description="Millionths of a US dollar.")]
Rate = Annotated[float | None, Field(ge=0, le=1, description="Part of the callers' calls; null where there are none.")]


class KpiQuery(ApiModel):
    """Which span of time. Without `from`, `range` until `to`, which is now by default."""

    range: Annotated[Range | None, Field(description="24h by default.")] = None
    start: Annotated[AwareDatetime | None, Field(alias="from", description="RFC 3339; widened to whole steps.")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to", description="RFC 3339; widened to whole steps.")] = None
    step: Annotated[Grain | None, Field(description="Of the series; at most 1,000 of them.")] = None


class PlatformKpiQuery(KpiQuery):
    """The same, and which of the tenants."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=500)] = None


class KpiLatency(ApiModel):
    """Until the end of the answer, of calls that succeeded, in milliseconds."""

    p50: float | None
    p95: float | None
    p99: float | None
    relative_error: Annotated[float, Field(description="How far off they can be.")] = RELATIVE_ERROR

    @classmethod
    def of_slots(cls, latency: Latency) -> "KpiLatency":
        """From what was counted."""
        return cls(p50=latency.quantile(0.5), p95=latency.quantile(0.95), p99=latency.quantile(0.99))


class KpiSums(ApiModel):
    """What was counted."""

    requests: Annotated[int, Field(description="All metered calls, as the usage API counts them.")]
    internal_requests: Annotated[int, Field(description="Of those, made by the platform for a caller's call.")]
    ok_requests: int
    failed_requests: int
    cancelled_requests: Annotated[int, Field(description="The caller left; neither a success nor a failure.")]
    success_rate: Rate
    error_rate: Rate
    cached_requests: int
    cache_hit_rate: Rate
    prompt_tokens: int
    cached_prompt_tokens: Annotated[int, Field(description="Of those, what the providers' own prompt caches had.")]
    cache_write_tokens: Annotated[int, Field(description="Of those, what the providers' prompt caches kept.")]
    completion_tokens: int
    reasoning_tokens: Annotated[int, Field(description="Of those, the models' thoughts.")]
    saved_tokens: Annotated[int, Field(description="What cached answers would have taken.")]
    saved_micro_usd: Annotated[int, Field(description="What those would have cost by the price table.")]
    cost_micro_usd: MicroUsd


class KpiTotals(KpiSums):
    """The whole span."""

    active_users: Annotated[int, Field(description="By the hour in spans of up to two days, else by the day.")]
    guardrail_alerts: Annotated[int, Field(description="Findings in alerts that were raised.")]
    latency: KpiLatency


class KpiBucket(KpiSums):
    """One minute, hour or day."""

    start: Annotated[datetime, Field(alias="from")]
    latency: KpiLatency


class KpiBudget(ApiModel):
    """Spending against the ceiling, the limit on the tenant's cost per calendar month (UTC)."""

    ceiling_micro_usd: Annotated[int | None, Field(description="Null without such a limit.")]
    hard: Annotated[bool, Field(description="Whether calls beyond it are refused.")]
    spent_micro_usd: Annotated[int, Field(description="In this month so far.")]
    remaining_micro_usd: int | None
    used: Annotated[float | None, Field(description="Part of the ceiling.")]
    burn_micro_usd_per_day: Annotated[int, Field(description="Mean of the last seven days.")]
    forecast_micro_usd: Annotated[int, Field(description="At the end of the month.")]
    method: Annotated[str, Field(description="Of the forecast.")] = "trailing-7-day-mean"
    reached_at: Annotated[datetime | None, Field(description="When the ceiling is reached; null if not this month.")]

    @classmethod
    def of_spending(cls, spending: Spending, now: datetime) -> "KpiBudget":
        """At a moment."""
        ceiling, used = spending.ceiling, spending.used_part()
        return cls(
            ceiling_micro_usd=ceiling,
            hard=spending.hard,
            spent_micro_usd=spending.month,
            remaining_micro_usd=None if ceiling is None else max(0, ceiling - spending.month),
            used=None if used is None else round(used, 6),
            burn_micro_usd_per_day=spending.per_day(now),
            forecast_micro_usd=spending.forecast(now),
            reached_at=spending.reached_at(now),
        )


class TenantHealth(ApiModel):
    """How well a tenant is."""

    status: HealthState
    reasons: list[str]

    @classmethod
    def of_facts(cls, facts: Facts) -> "TenantHealth":
        """By its facts."""
        health: Health = facts.health()
        return cls(status=health.status, reasons=list(health.reasons))


class OpenAlerts(ApiModel):
    """Alerts that are not resolved, by severity."""

    critical: int
    warning: int
    info: int


class TopModel(ApiModel):
    """A model and what was used of it."""

    provider: str
    model: str
    requests: int
    tokens: int
    cost_micro_usd: int


class TopUser(ApiModel):
    """A user and what that one used."""

    user_id: str
    requests: int
    tokens: int
    cost_micro_usd: int


class TenantKpiView(ApiModel):
    """A tenant's key figures."""

    tenant_id: str
    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime, Field(alias="to")]
    step: Grain
    totals: KpiTotals
    budget: KpiBudget
    health: TenantHealth
    open_alerts: OpenAlerts
    series: Annotated[list[KpiBucket], Field(description="Oldest first; those in which nothing happened are left out.")]
    top_models: list[TopModel]
    top_users: list[TopUser]

    @classmethod
    def of_kpis(cls, kpis: TenantKpis) -> "TenantKpiView":
        """From what the use case gives."""
        figures, facts = kpis.figures, kpis.facts
        return cls(
            tenant_id=facts.tenant_id,
            start=figures.span.start,
            end=figures.span.end,
            step=figures.span.grain,
            totals=totals(figures),
            budget=KpiBudget.of_spending(facts.spending, kpis.at),
            health=TenantHealth.of_facts(facts),
            open_alerts=alerts_of([facts]),
            series=[_bucket(bucket) for bucket in figures.series],
            top_models=[_model(top) for top in figures.top_models],
            top_users=[_user(top) for top in figures.top_users],
        )


class TenantKpiRow(KpiTotals):
    """A tenant in the platform's table."""

    tenant_id: str
    slug: str
    name: str
    status: str
    budget: KpiBudget
    health: TenantHealth
    open_alerts: OpenAlerts

    @classmethod
    def of_row(cls, row: TenantRow, now: datetime) -> "TenantKpiRow":
        """From what the use case gives."""
        return cls(
            **_sums(row.sums),
            active_users=row.active_users,
            guardrail_alerts=row.guardrail_alerts,
            latency=KpiLatency.of_slots(row.latency),
            tenant_id=row.id,
            slug=row.slug,
            name=row.name,
            status=row.facts.status,
            budget=KpiBudget.of_spending(row.facts.spending, now),
            health=TenantHealth.of_facts(row.facts),
            open_alerts=alerts_of([row.facts]),
        )


class HealthCounts(ApiModel):
    """How many tenants are how well."""

    healthy: int = 0
    degraded: int = 0
    critical: int = 0

    @classmethod
    def of_facts(cls, facts: Sequence[Facts]) -> "HealthCounts":
        """By what is known of each."""
        states = [each.health().status for each in facts]
        return cls(**{state: states.count(state) for state in set(states)})


class PlatformKpiView(ApiModel):
    """Everybody's key figures."""

    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime, Field(alias="to")]
    step: Grain
    totals: KpiTotals
    budget: Annotated[KpiBudget, Field(description="Of all together; their ceilings do not add up to one.")]
    tenants: HealthCounts
    open_alerts: OpenAlerts
    series: list[KpiBucket]
    top_models: list[TopModel]
    by_tenant: Page[TenantKpiRow]

    @classmethod
    def of_kpis(cls, kpis: PlatformKpis) -> "PlatformKpiView":
        """From what the use case gives."""
        figures = kpis.figures
        return cls(
            start=figures.span.start,
            end=figures.span.end,
            step=figures.span.grain,
            totals=totals(figures),
            budget=KpiBudget.of_spending(kpis.spending, kpis.at),
            tenants=HealthCounts.of_facts(kpis.facts),
            open_alerts=alerts_of(kpis.facts),
            series=[_bucket(bucket) for bucket in figures.series],
            top_models=[_model(top) for top in figures.top_models],
            by_tenant=Page(
                items=[TenantKpiRow.of_row(row, kpis.at) for row in kpis.tenants.items],
                next_cursor=kpis.tenants.next_cursor,
            ),
        )


def totals(figures: Figures) -> KpiTotals:
    """The sums of a span."""
    return KpiTotals(
        **_sums(figures.sums),
        active_users=figures.active_users,
        guardrail_alerts=figures.guardrail_alerts,
        latency=KpiLatency.of_slots(figures.latency),
    )


def _sums(sums: Sums) -> dict[str, int | float | None]:
    return {name: getattr(sums, name) for name in KpiSums.model_fields}


def _bucket(bucket: Bucket) -> KpiBucket:
    return KpiBucket(**_sums(bucket.sums), start=bucket.start, latency=KpiLatency.of_slots(bucket.latency))


def alerts_of(facts: Sequence[Facts]) -> OpenAlerts:
    """Those of all of them."""
    return OpenAlerts(
        critical=sum(each.critical_alerts for each in facts),
        warning=sum(each.warning_alerts for each in facts),
        info=sum(each.info_alerts for each in facts),
    )


def _model(top: Top) -> TopModel:
    provider, model = top.key
    return TopModel(
        provider=provider, model=model, requests=top.requests, tokens=top.tokens, cost_micro_usd=top.cost_micro_usd
    )


def _user(top: Top) -> TopUser:
    return TopUser(user_id=top.key[0], requests=top.requests, tokens=top.tokens, cost_micro_usd=top.cost_micro_usd)
