"""What a live stream says of key figures: those of the last 24 hours, without their series."""

from datetime import datetime

from functions.kit.models import ApiModel
from functions.platform.core.kpis import PlatformKpis, TenantKpis
from functions.platform.kpis.schemas import (
    HealthCounts,
    KpiBudget,
    KpiTotals,
    OpenAlerts,
    TenantHealth,
    alerts_of,
    totals,
)


class LiveKpis(ApiModel):
    """A tenant's."""

    tenant_id: str
    at: datetime
    totals: KpiTotals
    budget: KpiBudget
    health: TenantHealth
    open_alerts: OpenAlerts

    @classmethod
    def of_kpis(cls, kpis: TenantKpis) -> "LiveKpis":
        """From what the use case gives."""
        return cls(
            tenant_id=kpis.facts.tenant_id,
            at=kpis.at,
            totals=totals(kpis.figures),
            budget=KpiBudget.of_spending(kpis.facts.spending, kpis.at),
            health=TenantHealth.of_facts(kpis.facts),
            open_alerts=alerts_of([kpis.facts]),
        )


class LivePlatformKpis(ApiModel):
    """Everybody's."""

    at: datetime
    totals: KpiTotals
    budget: KpiBudget
    tenants: HealthCounts
    open_alerts: OpenAlerts

    @classmethod
    def of_kpis(cls, kpis: PlatformKpis) -> "LivePlatformKpis":
        """From what the use case gives."""
        return cls(
            at=kpis.at,
            totals=totals(kpis.figures),
            budget=KpiBudget.of_spending(kpis.spending, kpis.at),
            tenants=HealthCounts.of_facts(kpis.facts),
            open_alerts=alerts_of(kpis.facts),
        )
