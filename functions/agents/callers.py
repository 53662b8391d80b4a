"""Who asks, as every function of the context finds it out."""

from fastapi import Request

from functions.agents.core.models import Caller, Place
from functions.agents.core.tool_models import Space
from functions.agents.core.tool_ports import Spaces
from functions.kit.authorisation import principal, tenant_named
from functions.kit.principal import Role
from functions.kit.service_tokens import OnBehalf
from functions.kit.tenancy import TenantDirectory


async def caller_of(request: Request, tenants: TenantDirectory) -> Caller:
    """The tenant whose executions it is about; a superadmin names it in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none.
        Forbidden: there is no such tenant, or it may not call.
    """
    who, tenant = principal(), await tenants.calling(tenant_named(request))
    everything = not who.roles.isdisjoint({Role.ADMIN, Role.SUPERADMIN})
    place = Place(tenant.id, tenant.database)
    return Caller(place, OnBehalf.of(who, tenant.id), who.user_id or who.subject, everything)


async def space_of(request: Request, spaces: Spaces) -> Space:
    """The tenant whose tools it is about; a superadmin names it in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none.
        Forbidden: there is no such tenant, or it may not call.
    """
    return await spaces.of(tenant_named(request))
