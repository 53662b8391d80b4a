"""GET /v1/tenants/{tenantId}/live and GET /v1/live: key figures and alerts as they change."""

from typing import Annotated, Any

from fastapi import Header, Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.kit.sse import EventStream
from functions.platform.core.live import LiveHub, frames
from functions.platform.wire_types import TenantId
from functions.platform.wiring_live import live

router = api_router()

_HEARTBEAT_SECONDS = 15.0
# A stream ends before the edge or Knative would cut it, and so that the credential is looked at again.
_LONGEST_SECONDS = 540.0

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events, docs/kpis.md.", "content": {"text/event-stream": {}}}
}

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)]


@router.get(
    "/v1/tenants/{tenantId}/live",
    dependencies=[require("kpis:read")],
    summary="Watch a tenant",
    response_class=Response,
    responses=_STREAM,
)
async def watch_tenant(request: Request, tenant_id: TenantId, last_event_id: LastEventId = None) -> EventStream:
    """The tenant's key figures and alerts as server-sent events (`snapshot`, `kpis`, `alert`, `reset`).

    A stream that ends is to be opened again with the last id: what came in between is told first, or all
    anew by `reset`.
    """
    return await _watch(request, tenant_id, last_event_id)


@router.get(
    "/v1/live",
    dependencies=[require("platform-kpis:read")],
    summary="Watch the platform",
    response_class=Response,
    responses=_STREAM,
)
async def watch_platform(request: Request, last_event_id: LastEventId = None) -> EventStream:
    """Everybody's key figures together, and all alerts, as server-sent events."""
    return await _watch(request, None, last_event_id)


async def _watch(request: Request, tenant_id: str | None, last_id: str | None) -> EventStream:
    hub: LiveHub = request.app.state.wiring
    watcher = await hub.open(tenant_id, last_id)
    return EventStream(
        frames(watcher, heartbeat=_HEARTBEAT_SECONDS, longest=_LONGEST_SECONDS),
        on_close=lambda: hub.close(watcher),
        until=watcher.dropped,
    )


app = create_app(router, wire=live)
