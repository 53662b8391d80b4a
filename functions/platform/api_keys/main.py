"""/v1/tenants/{tenantId}/api-keys."""

from typing import Annotated

from fastapi import Query, Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import principal, require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.platform.api_keys.schemas import ApiKeyInfo, CreateApiKeyBody, IssuedApiKey, RotateApiKeyBody
from functions.platform.core.api_key_models import ApiKeyFilter, ApiKeyStatus
from functions.platform.wire_types import Cursor, KeyId, Limit, TenantId
from functions.platform.wiring_members import Membership, membership

router = api_router()

_KEYS = "/v1/tenants/{tenantId}/api-keys"
_KEY = "/v1/tenants/{tenantId}/api-keys/{keyId}"


@router.post(_KEYS, status_code=201, dependencies=[require("api-keys:write")], summary="Make an API key")
async def create_key(request: Request, tenant_id: TenantId, body: CreateApiKeyBody) -> IssuedApiKey:
    """Make an API key. The answer holds the secret, which is not shown again."""
    use: Membership = request.app.state.wiring
    return IssuedApiKey.shown(await use.create_key(principal(), tenant_id, body.wanted()))


@router.get(_KEYS, dependencies=[require("api-keys:read")], summary="List API keys")
async def list_keys(
    request: Request,
    tenant_id: TenantId,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: ApiKeyStatus | None = None,
    user_id: Annotated[str | None, Query(alias="userId", max_length=100)] = None,
    group_id: Annotated[str | None, Query(alias="groupId", max_length=100)] = None,
) -> Page[ApiKeyInfo]:
    """The tenant's keys, newest first, revoked ones included."""
    use: Membership = request.app.state.wiring
    found = await use.list_keys(tenant_id, ApiKeyFilter(user_id, group_id, status), limit, cursor)
    return Page(items=[ApiKeyInfo.of(key) for key in found.items], next_cursor=found.next_cursor)


@router.post(f"{_KEY}/rotate", dependencies=[require("api-keys:write")], summary="Rotate an API key")
async def rotate_key(
    request: Request, tenant_id: TenantId, key_id: KeyId, body: RotateApiKeyBody | None = None
) -> IssuedApiKey:
    """Give a key a new secret, shown this once. All before it end with the time of grace, at once without one."""
    use: Membership = request.app.state.wiring
    grace = (body or RotateApiKeyBody()).grace()
    return IssuedApiKey.shown(await use.rotate_key(principal(), tenant_id, key_id, grace))


@router.delete(_KEY, status_code=204, dependencies=[require("api-keys:write")], summary="Revoke an API key")
async def revoke_key(request: Request, tenant_id: TenantId, key_id: KeyId) -> Response:
    """End a key for ever; it is refused everywhere within two seconds."""
    use: Membership = request.app.state.wiring
    await use.revoke_key(principal(), tenant_id, key_id)
    return Response(status_code=204)


app = create_app(router, wire=membership)
