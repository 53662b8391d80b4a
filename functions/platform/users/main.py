"""/v1/tenants/{tenantId}/users."""

from typing import Annotated, Literal

from fastapi import Query, Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import principal, require
from functions.kit.models import Page
from functions.kit.principal import Role
from functions.kit.routing import api_router
from functions.platform.core.members import UserFilter, UserStatus
from functions.platform.users.schemas import CreateUserBody, UpdateUserBody, User
from functions.platform.wire_types import Cursor, Limit, Prefix, TenantId, UserId
from functions.platform.wiring_members import Membership, membership

router = api_router()

_USERS = "/v1/tenants/{tenantId}/users"
_USER = "/v1/tenants/{tenantId}/users/{userId}"


@router.post(_USERS, status_code=201, dependencies=[require("users:write")], summary="Register a user")
async def create_user(request: Request, tenant_id: TenantId, body: CreateUserBody) -> User:
    """Register or invite a user. Nobody gives a role above the own."""
    use: Membership = request.app.state.wiring
    return User.model_validate(await use.create_user(principal(), tenant_id, body.wanted()))


@router.get(_USERS, dependencies=[require("users:read")], summary="List users")
async def list_users(
    request: Request,
    tenant_id: TenantId,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Literal[UserStatus.INVITED, UserStatus.ACTIVE, UserStatus.DEACTIVATED] | None = None,
    role: Role | None = None,
    group_id: Annotated[str | None, Query(alias="groupId", max_length=100)] = None,
    q: Annotated[Prefix, Query(description="How the address or the name begins.")] = "",
) -> Page[User]:
    """The tenant's users, newest first."""
    use: Membership = request.app.state.wiring
    found = await use.read_users.page(tenant_id, UserFilter(status, role, group_id, q), limit, cursor)
    return Page(items=[User.model_validate(user) for user in found.items], next_cursor=found.next_cursor)


@router.get(_USER, dependencies=[require("users:read")], summary="Get a user")
async def get_user(request: Request, tenant_id: TenantId, user_id: UserId) -> User:
    """One user."""
    use: Membership = request.app.state.wiring
    return User.model_validate(await use.read_users.one(tenant_id, user_id))


@router.patch(_USER, dependencies=[require("users:write")], summary="Change a user")
async def update_user(request: Request, tenant_id: TenantId, user_id: UserId, body: UpdateUserBody) -> User:
    """Change what is sent and leave the rest. A tenant's last admin stays one (409 `last_admin`)."""
    use: Membership = request.app.state.wiring
    return User.model_validate(await use.update_user(principal(), tenant_id, user_id, body.changes()))


@router.delete(_USER, status_code=204, dependencies=[require("users:write")], summary="Remove a user")
async def remove_user(request: Request, tenant_id: TenantId, user_id: UserId) -> Response:
    """Remove a user, revoke the user's API keys, and refuse what tokens are still out."""
    use: Membership = request.app.state.wiring
    await use.remove_user(principal(), tenant_id, user_id)
    return Response(status_code=204)


app = create_app(router, wire=membership)
