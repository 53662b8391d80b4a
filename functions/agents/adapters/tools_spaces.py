"""The tenants, from the kit's directory."""

from functions.agents.core.tool_models import Space
from functions.kit.tenancy import TenantDirectory


class DirectorySpaces:
    """Port `Spaces`."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants

    async def of(self, tenant_id: str) -> Space:
        """The tenant's place."""
        tenant = await self._tenants.calling(tenant_id)
        return Space(tenant.id, tenant.database, tenant.plan, tenant.examined)
