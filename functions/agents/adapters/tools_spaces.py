"""The tenants, from the kit's directory."""

from functions.agents.core.tool_models import Space
from functions.kit.errors import Forbidden
from functions.kit.tenancy import TenantDirectory


class DirectorySpaces:
    """Port `Spaces`."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants

    async def of(self, tenant_id: str) -> Space:
        """The tenant's place."""
        tenant = await self._tenants.find(tenant_id)
        if tenant is None:
            raise Forbidden("there is no such tenant")
        tenant.ensure_active()
        return Space(tenant.id, tenant.database, tenant.plan, tenant.examined)
