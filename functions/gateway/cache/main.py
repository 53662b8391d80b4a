"""POST /v1/cache/feedback, GET and DELETE /v1/tenants/{tenantId}/cache."""

from typing import Annotated

from fastapi import Path, Query, Request

from functions.gateway.cache.schemas import CacheOverview, Feedback, FeedbackBody, Flushed
from functions.gateway.cache.wiring import Cache, cache
from functions.kit.app import create_app
from functions.kit.authorisation import require, tenant_named
from functions.kit.errors import NotFound
from functions.kit.routing import api_router
from functions.kit.tenancy import Tenant

router = api_router()

TenantId = Annotated[str, Path(alias="tenantId")]
Name = Annotated[str, Query(max_length=256)]


@router.post("/v1/cache/feedback", dependencies=[require("cache:report")], summary="Report an answer from the cache")
async def report(request: Request, body: FeedbackBody) -> Feedback:
    """Say whether an answer from the cache was right. A wrong one is dropped, and the cache asks for more likeness.

    By its request an answer can be reported once. By its id alone it is dropped or counted, and nothing is learned.
    """
    use: Cache = request.app.state.wiring
    tenant = await _tenant(use, tenant_named(request))
    given = await use.feedback.report(
        tenant.id, tenant.settings, wrong=body.wrong, request_id=body.request_id or "", cache_id=body.cache_id or ""
    )
    return Feedback(cache_id=given.entry_id, similarity=given.similarity, evicted=body.wrong)


@router.get("/v1/tenants/{tenantId}/cache", dependencies=[require("cache:read")], summary="Look at the cache")
async def get_cache(request: Request, tenant_id: TenantId) -> CacheOverview:
    """What the tenant's cache holds, how often it hit, what that saved, and how alike questions must be."""
    use: Cache = request.app.state.wiring
    tenant = await _tenant(use, tenant_id)
    return CacheOverview.of(await use.book.totals(tenant.id), tenant.settings)


@router.delete("/v1/tenants/{tenantId}/cache", dependencies=[require("cache:write")], summary="Flush the cache")
async def flush_cache(request: Request, tenant_id: TenantId, provider: Name = "", model: Name = "") -> Flushed:
    """Drop the tenant's cached answers: all, or those of a provider, or of a model. What was learned is kept."""
    use: Cache = request.app.state.wiring
    tenant = await _tenant(use, tenant_id)
    return Flushed(dropped=await use.book.flush(tenant.id, provider, model))


async def _tenant(use: Cache, tenant_id: str) -> Tenant:
    tenant = await use.tenants.find(tenant_id)
    if tenant is None:
        raise NotFound("there is no such tenant")
    return tenant


app = create_app(router, wire=cache)
