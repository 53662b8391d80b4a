"""POST and GET /v1/tenants, GET /v1/tenants/{tenantId}."""

from typing import Annotated

from fastapi import Path, Query, Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.platform.tenants.schemas import CreatedTenant, CreateTenant, Tenant
from functions.platform.wiring import Platform, platform

router = api_router()


@router.post("/v1/tenants", status_code=201, dependencies=[require("tenants:create")], summary="Provision a tenant")
async def create_tenant(request: Request, body: CreateTenant) -> CreatedTenant:
    """Make a tenant with a database of its own. The answer holds its first API key, which is not shown again."""
    use: Platform = request.app.state.wiring
    return CreatedTenant.of(await use.provision_tenant(body.wanted()))


@router.get("/v1/tenants", dependencies=[require("tenants:list")], summary="List tenants")
async def list_tenants(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Page[Tenant]:
    """All tenants, newest first."""
    use: Platform = request.app.state.wiring
    found = await use.list_tenants(limit, cursor)
    return Page(items=[Tenant.model_validate(tenant) for tenant in found.items], next_cursor=found.next_cursor)


@router.get("/v1/tenants/{tenantId}", dependencies=[require("tenants:read")], summary="Get a tenant")
async def get_tenant(request: Request, tenant_id: Annotated[str, Path(alias="tenantId")]) -> Tenant:
    """One tenant: any for a superadmin, its own for a tenant's admin."""
    use: Platform = request.app.state.wiring
    return Tenant.model_validate(await use.get_tenant(tenant_id))


app = create_app(router, wire=platform)
