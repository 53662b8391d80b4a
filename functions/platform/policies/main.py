"""GET and PUT /v1/tenants/{tenantId}/policies and /v1/policies."""

from typing import Annotated

from fastapi import Path, Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.platform.policies.schemas import AddedPolicies, PutPlatformPolicies, PutTenantPolicies
from functions.platform.policies.wiring import AccessPolicies, access_policies

router = api_router()


@router.get(
    "/v1/tenants/{tenantId}/policies", dependencies=[require("policies:read")], summary="Get a tenant's access policies"
)
async def get_tenant_policies(request: Request, tenant_id: Annotated[str, Path(alias="tenantId")]) -> AddedPolicies:
    """The custom roles and policies that the tenant adds to the default ones."""
    use: AccessPolicies = request.app.state.wiring
    return AddedPolicies.of(await use.get(tenant_id), by_tenant=True)


@router.put(
    "/v1/tenants/{tenantId}/policies",
    dependencies=[require("policies:write")],
    summary="Replace a tenant's access policies",
)
async def put_tenant_policies(
    request: Request, tenant_id: Annotated[str, Path(alias="tenantId")], body: PutTenantPolicies
) -> AddedPolicies:
    """Make these all that the tenant adds. In force everywhere within two seconds."""
    use: AccessPolicies = request.app.state.wiring
    return AddedPolicies.of(await use.put(tenant_id, body.document(), body.version), by_tenant=True)


@router.get(
    "/v1/policies", dependencies=[require("platform-policies:read")], summary="Get the platform's access policies"
)
async def get_platform_policies(request: Request) -> AddedPolicies:
    """The policies that the operator adds to the default ones, for every tenant."""
    use: AccessPolicies = request.app.state.wiring
    return AddedPolicies.of(await use.get(None), by_tenant=False)


@router.put(
    "/v1/policies", dependencies=[require("platform-policies:write")], summary="Replace the platform's access policies"
)
async def put_platform_policies(request: Request, body: PutPlatformPolicies) -> AddedPolicies:
    """Make these all that the operator adds. They hold for everybody but superadmins, within two seconds."""
    use: AccessPolicies = request.app.state.wiring
    return AddedPolicies.of(await use.put(None, body.document(), body.version), by_tenant=False)


app = create_app(router, wire=access_policies)
