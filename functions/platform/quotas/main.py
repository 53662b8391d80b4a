"""GET and PUT /v1/tenants/{tenantId}/quotas."""

from typing import Annotated

from fastapi import Path, Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.platform.quotas.schemas import PutQuotasBody, QuotaList
from functions.platform.quotas.wiring import Limits, limits

router = api_router()


@router.get("/v1/tenants/{tenantId}/quotas", dependencies=[require("quotas:read")], summary="Get the quotas")
async def get_quotas(request: Request, tenant_id: Annotated[str, Path(alias="tenantId")]) -> QuotaList:
    """The tenant's limits with what was used of them, which is at most seconds behind the calls."""
    use: Limits = request.app.state.wiring
    return QuotaList.of(await use.get(tenant_id))


@router.put("/v1/tenants/{tenantId}/quotas", dependencies=[require("quotas:write")], summary="Replace the quotas")
async def put_quotas(
    request: Request, tenant_id: Annotated[str, Path(alias="tenantId")], body: PutQuotasBody
) -> QuotaList:
    """Make the given limits all that the tenant has. In force everywhere within two seconds.

    A limit on the same subject, metric and window as one before is that one, changed: what was used of it still counts.
    A new limit counts what was used in its window before it was set.
    """
    use: Limits = request.app.state.wiring
    return QuotaList.of(await use.put(tenant_id, [quota.draft() for quota in body.quotas], body.version))


app = create_app(router, wire=limits)
