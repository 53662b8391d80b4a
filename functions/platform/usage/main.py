"""GET /v1/tenants/{tenantId}/usage."""

from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import AwareDatetime

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.platform.core.models import Granularity, UsageGroup
from functions.platform.usage.schemas import UsageItem
from functions.platform.wiring import Platform, platform

router = api_router()


@router.get(
    "/v1/tenants/{tenantId}/usage",
    dependencies=[require("usage:read")],
    summary="Get usage",
    response_model_exclude_unset=True,
)
async def get_usage(
    *,
    request: Request,
    tenant_id: Annotated[str, Path(alias="tenantId")],
    start: Annotated[
        AwareDatetime | None, Query(alias="from", description="Inclusive, RFC 3339; by default 30 days before `to`.")
    ] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to", description="Exclusive; by default now.")] = None,
    granularity: Annotated[Granularity, Query(description="Items per hour, day or month of UTC.")] = "day",
    group_by: Annotated[
        UsageGroup, Query(alias="groupBy", description="`model` is provider and model; a call counts for each group.")
    ] = "model",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Page[UsageItem]:
    """Calls, tokens and cost per hour, day or month and model, user or whatever they are grouped by, oldest first.

    Usage is kept by the hour: an hour counts whole when any of it lies between `from` and `to`. What was just called
    appears within seconds.
    """
    use: Platform = request.app.state.wiring
    found = await use.read_usage(
        tenant_id, start=start, end=end, granularity=granularity, limit=limit, cursor=cursor, group_by=group_by
    )
    return Page(items=[UsageItem.of(total, group_by) for total in found.items], next_cursor=found.next_cursor)


app = create_app(router, wire=platform)
