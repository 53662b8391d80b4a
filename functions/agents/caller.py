"""Who asks, as every function of executions finds it out."""

from fastapi import Request

from functions.agents.core.models import Caller, Place
from functions.kit.authorisation import principal
from functions.kit.errors import Forbidden, InvalidRequest
from functions.kit.principal import Role
from functions.kit.service_tokens import OnBehalf
from functions.kit.tenancy import TenantDirectory


async def caller_of(request: Request, tenants: TenantDirectory) -> Caller:
    """The tenant whose executions it is about; a superadmin names it in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none.
        Forbidden: there is no such tenant, or it may not call.
    """
    who = principal()
    tenant_id = who.tenant_id or request.headers.get("x-tenant-id")
    if tenant_id is None:
        raise InvalidRequest("name the tenant in X-Tenant-Id")
    tenant = await tenants.find(tenant_id)
    if tenant is None:
        raise Forbidden("there is no such tenant")
    tenant.ensure_active()
    everything = not who.roles.isdisjoint({Role.ADMIN, Role.SUPERADMIN})
    place = Place(tenant.id, tenant.database)
    return Caller(place, OnBehalf.of(who, tenant.id), who.user_id or who.subject, everything)
