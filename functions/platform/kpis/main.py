"""GET /v1/tenants/{tenantId}/kpis and GET /v1/kpis."""

from typing import Annotated

from fastapi import Query, Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.platform.kpis.schemas import KpiQuery, PlatformKpiQuery, PlatformKpiView, TenantKpiView
from functions.platform.wire_types import TenantId
from functions.platform.wiring_kpis import KeyFigures, key_figures

router = api_router()


@router.get("/v1/tenants/{tenantId}/kpis", dependencies=[require("kpis:read")], summary="Get a tenant's key figures")
async def get_tenant_kpis(request: Request, tenant_id: TenantId, query: Annotated[KpiQuery, Query()]) -> TenantKpiView:
    """Cost and what is left of the ceiling, calls, latencies, cache, users, alerts and health in a span of time.

    The sums are those of the usage API for the same span. What was just called appears within seconds.
    """
    use: KeyFigures = request.app.state.wiring
    found = await use.read.of_tenant(tenant_id, range_=query.range, start=query.start, end=query.end, step=query.step)
    return TenantKpiView.of_kpis(found)


@router.get("/v1/kpis", dependencies=[require("platform-kpis:read")], summary="Get the platform's key figures")
async def get_kpis(request: Request, query: Annotated[PlatformKpiQuery, Query()]) -> PlatformKpiView:
    """All tenants' key figures together, and each one's by page, newest tenant first."""
    use: KeyFigures = request.app.state.wiring
    found = await use.read.of_platform(
        range_=query.range,
        start=query.start,
        end=query.end,
        step=query.step,
        limit=query.limit,
        cursor=query.cursor,
    )
    return PlatformKpiView.of_kpis(found)


app = create_app(router, wire=key_figures)
