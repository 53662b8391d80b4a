"""GET and PUT /v1/tenants/{tenantId}/flags; GET, PUT and DELETE /v1/tenants/{tenantId}/flags/webhook."""

from typing import Annotated

from fastapi import Path, Query, Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.context import current
from functions.kit.routing import api_router
from functions.platform.flags.schemas import FlagItem, FlagList, FlagWebhook, PutFlagWebhook, PutTenantFlagsBody
from functions.platform.wiring_flags import FlagPlatform, flag_platform

router = api_router()

TenantId = Annotated[str, Path(alias="tenantId")]


@router.get("/v1/tenants/{tenantId}/flags", dependencies=[require("flags:read")], summary="Get a tenant's flags")
async def get_flags(
    request: Request,
    tenant_id: TenantId,
    user_id: Annotated[
        str | None, Query(alias="userId", min_length=1, max_length=200, description="One of the tenant's users.")
    ] = None,
) -> FlagList:
    """What every flag is for the tenant, or for one of its users: rollouts may reach some of them only."""
    use: FlagPlatform = request.app.state.wiring
    return FlagList(items=[FlagItem.model_validate(flag) for flag in await use.read_tenant(tenant_id, user_id)])


@router.put("/v1/tenants/{tenantId}/flags", dependencies=[require("flags:write")], summary="Override flags")
async def put_flags(request: Request, tenant_id: TenantId, body: PutTenantFlagsBody) -> FlagList:
    """Set or remove the tenant's overrides; they win over the platform's defaults. Live everywhere in two seconds."""
    use: FlagPlatform = request.app.state.wiring
    found = await use.put_tenant(tenant_id, body.changes(), by=_caller())
    return FlagList(items=[FlagItem.model_validate(flag) for flag in found])


@router.put(
    "/v1/tenants/{tenantId}/flags/webhook",
    dependencies=[require("flags:write")],
    summary="Register an address for flag changes",
)
async def put_flag_webhook(request: Request, tenant_id: TenantId, body: PutFlagWebhook) -> FlagWebhook:
    """Every change of one of the tenant's overrides is sent there, signed as Flagsmith signs its webhooks."""
    use: FlagPlatform = request.app.state.wiring
    webhook, is_new = await use.webhook.put(tenant_id, body.url, body.secret)
    return FlagWebhook(
        url=webhook.url,
        secret=webhook.secret if is_new else None,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


@router.get(
    "/v1/tenants/{tenantId}/flags/webhook",
    dependencies=[require("flags:write")],
    summary="Get the address for flag changes",
)
async def get_flag_webhook(request: Request, tenant_id: TenantId) -> FlagWebhook:
    """The registered address; its secret is not shown."""
    use: FlagPlatform = request.app.state.wiring
    webhook = await use.webhook.get(tenant_id)
    return FlagWebhook(url=webhook.url, created_at=webhook.created_at, updated_at=webhook.updated_at)


@router.delete(
    "/v1/tenants/{tenantId}/flags/webhook",
    status_code=204,
    dependencies=[require("flags:write")],
    summary="Forget the address for flag changes",
)
async def delete_flag_webhook(request: Request, tenant_id: TenantId) -> None:
    """Nothing is sent any more."""
    use: FlagPlatform = request.app.state.wiring
    await use.webhook.remove(tenant_id)


def _caller() -> str:
    principal = current().principal
    return principal.subject if principal else ""


app = create_app(router, wire=flag_platform)
