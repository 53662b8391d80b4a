"""GET and PUT /v1/tenants/{tenantId}/guardrails, GET …/guardrails/findings."""

from typing import Annotated, Literal

from fastapi import Path, Query, Request
from pydantic import AwareDatetime

from functions.guardrails.core.findings import FindingFilter
from functions.guardrails.core.models import Kind, Severity
from functions.guardrails.core.settings import GuardrailSettings
from functions.guardrails.findings.schemas import Finding, PutGuardrailsBody
from functions.guardrails.wiring import Guardrails, guardrails
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router

router = api_router()

TenantId = Annotated[str, Path(alias="tenantId")]
Id = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get(
    "/v1/tenants/{tenantId}/guardrails",
    dependencies=[require("guardrails:read")],
    summary="Get a tenant's guardrails",
)
async def get_guardrails(request: Request, tenant_id: TenantId) -> GuardrailSettings:
    """Which detectors are on, and how sure they must be."""
    use: Guardrails = request.app.state.wiring
    return await use.get(tenant_id)


@router.put(
    "/v1/tenants/{tenantId}/guardrails",
    dependencies=[require("guardrails:write")],
    summary="Set a tenant's guardrails",
)
async def put_guardrails(request: Request, tenant_id: TenantId, body: PutGuardrailsBody) -> GuardrailSettings:
    """Make these all that holds. Mode `block` is refused with 422 `guardrail_mode_not_offered`: it comes with R3."""
    use: Guardrails = request.app.state.wiring
    return await use.put(tenant_id, body.wanted())


@router.get(
    "/v1/tenants/{tenantId}/guardrails/findings",
    dependencies=[require("guardrails:read")],
    summary="List what guardrails found",
)
async def list_findings(
    *,
    request: Request,
    tenant_id: TenantId,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
    kind: Kind | None = None,
    severity: Annotated[
        Literal["low", "medium", "high", "critical"] | None, Query(description="At least so grave.")
    ] = None,
    start: Annotated[AwareDatetime | None, Query(alias="from", description="Inclusive, RFC 3339.")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to", description="Exclusive.")] = None,
    detector: Id = None,
    user_id: Annotated[str | None, Query(alias="userId", max_length=200, pattern=r"^[^\x00]*$")] = None,
    api_key_id: Annotated[str | None, Query(alias="apiKeyId", max_length=200, pattern=r"^[^\x00]*$")] = None,
    request_id: Annotated[str | None, Query(alias="requestId", max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> Page[Finding]:
    """Newest first. Excerpts have everything personal or secret replaced by its type."""
    use: Guardrails = request.app.state.wiring
    least = Severity[severity.upper()] if severity else None
    wanted = FindingFilter(kind, least, start, end, detector, user_id, api_key_id, request_id)
    found, following = await use.list_findings(tenant_id, wanted, limit=limit, cursor=cursor)
    return Page(items=[Finding.of(finding) for finding in found], next_cursor=following)


app = create_app(router, wire=guardrails)
