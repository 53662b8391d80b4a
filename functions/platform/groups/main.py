"""/v1/tenants/{tenantId}/groups and who is in them."""

from typing import Annotated

from fastapi import Query, Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.platform.groups.schemas import CreateGroupBody, Group, GroupMembersBody, UpdateGroupBody
from functions.platform.users.schemas import User
from functions.platform.wire_types import Cursor, GroupId, Limit, Prefix, TenantId, UserId
from functions.platform.wiring_members import Membership, membership

router = api_router()

_GROUPS = "/v1/tenants/{tenantId}/groups"
_GROUP = "/v1/tenants/{tenantId}/groups/{groupId}"
_MEMBERS = "/v1/tenants/{tenantId}/groups/{groupId}/members"
_MEMBER = "/v1/tenants/{tenantId}/groups/{groupId}/members/{userId}"
_READ, _WRITE = [require("groups:read")], [require("groups:write")]


@router.post(_GROUPS, status_code=201, dependencies=_WRITE, summary="Make a group")
async def create_group(request: Request, tenant_id: TenantId, body: CreateGroupBody) -> Group:
    """Make a group with nobody in it."""
    use: Membership = request.app.state.wiring
    return Group.model_validate(await use.groups.create(tenant_id, body.name, body.description))


@router.get(_GROUPS, dependencies=_READ, summary="List groups")
async def list_groups(
    request: Request,
    tenant_id: TenantId,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Annotated[Prefix, Query(description="How the name begins.")] = "",
) -> Page[Group]:
    """The tenant's groups, newest first."""
    use: Membership = request.app.state.wiring
    found = await use.read_groups.page(tenant_id, q, limit, cursor)
    return Page(items=[Group.model_validate(group) for group in found.items], next_cursor=found.next_cursor)


@router.patch(_GROUP, dependencies=_WRITE, summary="Change a group")
async def update_group(request: Request, tenant_id: TenantId, group_id: GroupId, body: UpdateGroupBody) -> Group:
    """Change what is sent and leave the rest."""
    use: Membership = request.app.state.wiring
    return Group.model_validate(await use.groups.update(tenant_id, group_id, body.changes()))


@router.delete(_GROUP, status_code=204, dependencies=_WRITE, summary="Remove a group")
async def remove_group(request: Request, tenant_id: TenantId, group_id: GroupId) -> Response:
    """Remove a group. Its users stay, and so do its API keys, then of no group."""
    use: Membership = request.app.state.wiring
    await use.groups.remove(tenant_id, group_id)
    return Response(status_code=204)


@router.get(_MEMBERS, dependencies=_READ, summary="List a group's users")
async def list_members(
    request: Request, tenant_id: TenantId, group_id: GroupId, *, limit: Limit = 50, cursor: Cursor = None
) -> Page[User]:
    """The users in a group, newest first."""
    use: Membership = request.app.state.wiring
    found = await use.read_groups.members(tenant_id, group_id, limit, cursor)
    return Page(items=[User.model_validate(user) for user in found.items], next_cursor=found.next_cursor)


@router.put(_MEMBERS, status_code=204, dependencies=_WRITE, summary="Replace a group's users")
async def put_members(request: Request, tenant_id: TenantId, group_id: GroupId, body: GroupMembersBody) -> Response:
    """Make the given users all that are in the group. What follows from it holds within two seconds."""
    use: Membership = request.app.state.wiring
    await use.members.replace(tenant_id, group_id, body.user_ids)
    return Response(status_code=204)


@router.put(_MEMBER, status_code=204, dependencies=_WRITE, summary="Put a user into a group")
async def add_member(request: Request, tenant_id: TenantId, group_id: GroupId, user_id: UserId) -> Response:
    """Put one user into a group; sound to repeat."""
    use: Membership = request.app.state.wiring
    await use.members.add(tenant_id, group_id, user_id)
    return Response(status_code=204)


@router.delete(_MEMBER, status_code=204, dependencies=_WRITE, summary="Take a user out of a group")
async def remove_member(request: Request, tenant_id: TenantId, group_id: GroupId, user_id: UserId) -> Response:
    """Take one user out of a group; sound to repeat."""
    use: Membership = request.app.state.wiring
    await use.members.remove(tenant_id, group_id, user_id)
    return Response(status_code=204)


app = create_app(router, wire=membership)
