"""/v1/tenants/{tenantId}/alerts for a tenant's own, /v1/alerts for everybody's and the platform's."""

from typing import Annotated

from fastapi import Path, Query, Request

from functions.kit.app import create_app
from functions.kit.authorisation import principal, require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.kit.subjects import Alert
from functions.platform.alerts.schemas import AlertQuery, AssignBody, PlatformAlertQuery, ResolveBody
from functions.platform.wire_types import TenantId
from functions.platform.wiring_alerts import Alerting, alerting

router = api_router()

_ALL, _ONE = "/v1/alerts", "/v1/alerts/{alertId}"
_TENANTS, _TENANTS_ONE = "/v1/tenants/{tenantId}/alerts", "/v1/tenants/{tenantId}/alerts/{alertId}"
_READ, _WRITE = [require("alerts:read")], [require("alerts:write")]
_READ_ALL, _WRITE_ALL = [require("platform-alerts:read")], [require("platform-alerts:write")]

AlertId = Annotated[str, Path(alias="alertId")]


@router.get(_TENANTS, dependencies=_READ, summary="List a tenant's alerts")
async def list_tenant_alerts(
    request: Request, tenant_id: TenantId, query: Annotated[AlertQuery, Query()]
) -> Page[Alert]:
    """The tenant's alerts, newest first."""
    use: Alerting = request.app.state.wiring
    found = await use.read.page(query.filter(tenant_id), query.limit, query.cursor)
    return Page(items=list(found.items), next_cursor=found.next_cursor)


@router.get(_ALL, dependencies=_READ_ALL, summary="List all alerts")
async def list_alerts(request: Request, query: Annotated[PlatformAlertQuery, Query()]) -> Page[Alert]:
    """The alerts of all tenants and the platform's own, newest first."""
    use: Alerting = request.app.state.wiring
    found = await use.read.page(query.filter(query.tenant_id), query.limit, query.cursor)
    return Page(items=list(found.items), next_cursor=found.next_cursor)


@router.get(_TENANTS_ONE, dependencies=_READ, summary="Get a tenant's alert")
async def get_tenant_alert(request: Request, tenant_id: TenantId, alert_id: AlertId) -> Alert:
    """One alert of the tenant."""
    use: Alerting = request.app.state.wiring
    return await use.read.one(alert_id, tenant_id)


@router.get(_ONE, dependencies=_READ_ALL, summary="Get an alert")
async def get_alert(request: Request, alert_id: AlertId) -> Alert:
    """One alert, of any tenant or the platform's own."""
    use: Alerting = request.app.state.wiring
    return await use.read.one(alert_id, None)


@router.post(f"{_TENANTS_ONE}/acknowledge", dependencies=_WRITE, summary="Acknowledge a tenant's alert")
async def acknowledge_tenant_alert(request: Request, tenant_id: TenantId, alert_id: AlertId) -> Alert:
    """Say that it was seen; sound to repeat. 409 `alert_resolved` once it is resolved."""
    use: Alerting = request.app.state.wiring
    return await use.handle.acknowledge(principal(), alert_id, tenant_id)


@router.post(f"{_ONE}/acknowledge", dependencies=_WRITE_ALL, summary="Acknowledge an alert")
async def acknowledge_alert(request: Request, alert_id: AlertId) -> Alert:
    """Say that it was seen; sound to repeat. 409 `alert_resolved` once it is resolved."""
    use: Alerting = request.app.state.wiring
    return await use.handle.acknowledge(principal(), alert_id, None)


@router.post(f"{_TENANTS_ONE}/assign", dependencies=_WRITE, summary="Assign a tenant's alert")
async def assign_tenant_alert(request: Request, tenant_id: TenantId, alert_id: AlertId, body: AssignBody) -> Alert:
    """Say which of the tenant's users is to see to it. 409 `alert_resolved` once it is resolved."""
    use: Alerting = request.app.state.wiring
    return await use.handle.assign(principal(), alert_id, tenant_id, body.user_id)


@router.post(f"{_ONE}/assign", dependencies=_WRITE_ALL, summary="Assign an alert")
async def assign_alert(request: Request, alert_id: AlertId, body: AssignBody) -> Alert:
    """Say who is to see to it: a user of the alert's tenant; for the platform's own, any name of an operator."""
    use: Alerting = request.app.state.wiring
    return await use.handle.assign(principal(), alert_id, None, body.user_id)


@router.post(f"{_TENANTS_ONE}/resolve", dependencies=_WRITE, summary="Resolve a tenant's alert")
async def resolve_tenant_alert(
    request: Request, tenant_id: TenantId, alert_id: AlertId, body: ResolveBody | None = None
) -> Alert:
    """Say that it is done with; sound to repeat. What is seen again raises a new alert."""
    use: Alerting = request.app.state.wiring
    return await use.handle.resolve(principal(), alert_id, tenant_id, body.note if body else "")


@router.post(f"{_ONE}/resolve", dependencies=_WRITE_ALL, summary="Resolve an alert")
async def resolve_alert(request: Request, alert_id: AlertId, body: ResolveBody | None = None) -> Alert:
    """Say that it is done with; sound to repeat. What is seen again raises a new alert."""
    use: Alerting = request.app.state.wiring
    return await use.handle.resolve(principal(), alert_id, None, body.note if body else "")


app = create_app(router, wire=alerting)
