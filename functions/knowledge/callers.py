"""Who asks, as every function of the context finds it out."""

from fastapi import Request

from functions.kit.authorisation import principal, tenant_named
from functions.kit.principal import Role
from functions.kit.service_tokens import OnBehalf
from functions.kit.tenancy import TenantDirectory
from functions.knowledge.core.access import Caller
from functions.knowledge.core.models import Reader, Space


async def caller_of(request: Request, tenants: TenantDirectory) -> Caller:
    """The tenant whose knowledge it is about; a superadmin names it in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none.
        Forbidden: there is no such tenant, or it may not call.
    """
    who, tenant = principal(), await tenants.calling(tenant_named(request))
    # Who manages the tenant is bound by no access list: somebody must be able to put one right.
    reader = Reader(who.groups, everything=not who.roles.isdisjoint({Role.ADMIN, Role.SUPERADMIN}))
    return Caller(Space(tenant.id, tenant.database), reader, OnBehalf.of(who, tenant.id), who.subject)
