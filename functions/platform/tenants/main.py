"""POST and GET /v1/tenants, GET and PATCH /v1/tenants/{tenantId}."""

from typing import Annotated

from fastapi import Header, Path, Query, Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import authorise, principal, require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.platform.core.models import TenantFilter, TenantStatus
from functions.platform.tenants.schemas import CreatedTenant, CreateTenant, Tenant, UpdateTenantBody, versions
from functions.platform.wiring import Platform, platform

router = api_router()

TenantId = Annotated[str, Path(alias="tenantId")]
_OPERATORS_OWN = frozenset({"status", "plan"})


@router.post("/v1/tenants", status_code=201, dependencies=[require("tenants:create")], summary="Provision a tenant")
async def create_tenant(request: Request, body: CreateTenant) -> CreatedTenant:
    """Make a tenant with a database of its own. The answer holds its first API key, which is not shown again."""
    use: Platform = request.app.state.wiring
    return CreatedTenant.made(await use.provision_tenant(body.wanted()))


@router.get("/v1/tenants", dependencies=[require("tenants:list")], summary="List tenants")
async def list_tenants(
    request: Request,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    status: TenantStatus | None = None,
    q: Annotated[
        str, Query(max_length=200, pattern=r"^[^\x00]*$", description="How the name or the slug begins.")
    ] = "",
) -> Page[Tenant]:
    """All tenants, newest first."""
    use: Platform = request.app.state.wiring
    found = await use.list_tenants(limit, cursor, TenantFilter(status, q))
    return Page(items=[Tenant.of(tenant) for tenant in found.items], next_cursor=found.next_cursor)


@router.get("/v1/tenants/{tenantId}", dependencies=[require("tenants:read")], summary="Get a tenant")
async def get_tenant(request: Request, response: Response, tenant_id: TenantId) -> Tenant:
    """One tenant: any for a superadmin, its own for a tenant's admin. `ETag` is its version."""
    use: Platform = request.app.state.wiring
    tenant = await use.get_tenant(tenant_id)
    response.headers["etag"] = f'"{tenant.version}"'
    return Tenant.of(tenant)


@router.patch("/v1/tenants/{tenantId}", dependencies=[require("tenants:update")], summary="Change a tenant")
async def update_tenant(
    request: Request,
    response: Response,
    *,
    tenant_id: TenantId,
    body: UpdateTenantBody,
    if_match: Annotated[
        str | None, Header(description="The `ETag` of what is to be changed; refused with 412 when it is another now.")
    ] = None,
) -> Tenant:
    """Change what is sent and leave the rest. Status and plan are for superadmins alone.

    A suspended tenant's credentials are refused everywhere within two seconds, and work again as soon after that ends.
    """
    use: Platform = request.app.state.wiring
    if body.model_fields_set & _OPERATORS_OWN:
        authorise(principal(), "tenants:operate", tenant_id)
    tenant = await use.update_tenant(tenant_id, body.changes(), versions(if_match))
    response.headers["etag"] = f'"{tenant.version}"'
    return Tenant.of(tenant)


app = create_app(router, wire=platform)
