"""Who asks, as every function of tools finds it out."""

from fastapi import Request

from functions.agents.core.tool_models import Space
from functions.agents.core.tool_ports import Spaces
from functions.kit.authorisation import principal
from functions.kit.errors import InvalidRequest


async def space_of(request: Request, spaces: Spaces) -> Space:
    """The tenant whose tools it is about; a superadmin names it in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none.
        Forbidden: there is no such tenant, or it may not call.
    """
    tenant_id = principal().tenant_id or request.headers.get("x-tenant-id")
    if tenant_id is None:
        raise InvalidRequest("name the tenant in X-Tenant-Id")
    return await spaces.of(tenant_id)
