"""What every function of the context does first: find out which tenant's things it is about."""

from functions.integrations.core.mcp_servers import Space
from functions.kit.tenancy import TenantDirectory


async def space_of(tenants: TenantDirectory, tenant_id: str) -> Space:
    """The tenant's place.

    Raises:
        Forbidden: there is no such tenant, or it may not call.
    """
    tenant = await tenants.calling(tenant_id)
    return Space(tenant.id, tenant.database)
