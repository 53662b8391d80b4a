"""GET /v1/audit and /v1/audit/checkpoints."""

from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from functions.kit.app import create_app
from functions.kit.audit import PLATFORM_CHAIN, Outcome
from functions.kit.authorisation import authorise, principal, require
from functions.kit.clock import utc_now
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.platform.audit.csv_export import export
from functions.platform.audit.schemas import AuditItem, CheckpointItem
from functions.platform.audit.wiring import Audit, audit
from functions.platform.core.audit_models import AuditQuery
from functions.platform.core.audit_search import check_span, start_before

router = api_router()

_PRINTABLE = r"^[^\x00-\x1f]*$"
ChainOf = Annotated[
    str | None,
    Query(
        alias="tenantId",
        pattern=r"^(platform|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="Whose chain; `platform` is the platform's own. By default a tenant's admin reads the tenant's.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
Text = Annotated[str | None, Query(max_length=300, pattern=_PRINTABLE)]


@router.get(
    "/v1/audit",
    dependencies=[require("audit:read")],
    summary="Search the audit trail",
    response_model=Page[AuditItem],
    responses={200: {"content": {"text/csv": {}}, "description": "A page as JSON, or all as CSV."}},
)
async def search_audit(
    *,
    request: Request,
    chain: ChainOf = None,
    actor: Annotated[Text, Query(description="Subject of the credential: a user's or an API key's id.")] = None,
    action: Annotated[Text, Query(description="As policies name it, e.g. `providers:write`.")] = None,
    resource: Annotated[Text, Query(description="How the path begins.")] = None,
    outcome: Outcome | None = None,
    request_id: Annotated[Text, Query(alias="requestId")] = None,
    start: Annotated[AwareDatetime | None, Query(alias="from", description="By default 30 days before `to`.")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to", description="Exclusive; by default now.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    wanted: Annotated[
        Literal["json", "csv"] | None, Query(alias="format", description="By default what `Accept` asks for.")
    ] = None,
) -> Page[AuditItem] | StreamingResponse:
    """Records newest first: of all chains for a superadmin, of the own tenant for its admin. CSV has no pages."""
    use: Audit = request.app.state.wiring
    end = end or utc_now()
    query = AuditQuery(start or start_before(end), end, _readable(chain), actor, action, resource, outcome, request_id)
    if wanted == "csv" or (wanted is None and "text/csv" in request.headers.get("accept", "")):
        check_span(query)
        disposition = {"content-disposition": 'attachment; filename="audit.csv"'}
        return StreamingResponse(export(use.search.all(query)), media_type="text/csv", headers=disposition)
    found = await use.search(query, limit, cursor)
    return Page(items=[AuditItem.of(stored) for stored in found.items], next_cursor=found.next_cursor)


@router.get("/v1/audit/checkpoints", dependencies=[require("audit:read")], summary="List checkpoints of a chain")
async def list_checkpoints(
    *, request: Request, chain: ChainOf = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[CheckpointItem]:
    """Signed checkpoints, newest first; of the platform's own chain where a superadmin names none."""
    use: Audit = request.app.state.wiring
    found = await use.search.checkpoints(_readable(chain) or PLATFORM_CHAIN, limit, cursor)
    return Page(items=[CheckpointItem.of(stored) for stored in found.items], next_cursor=found.next_cursor)


def _readable(chain: str | None) -> str | None:
    """The chain that the caller may read; None for all.

    Raises:
        Forbidden: not this one.
    """
    caller = principal()
    authorise(caller, "audit:read", chain)
    return chain if caller.is_superadmin else caller.tenant_id


app = create_app(router, wire=audit)
