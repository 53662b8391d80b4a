"""Reading the register of tenants."""

from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import Slice, Tenant, TenantFilter, tenant_id_of
from functions.platform.core.ports import Tenants

_ALL = TenantFilter()


class GetTenant:
    """Reads one tenant."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def __call__(self, tenant_id: str) -> Tenant:
        """The tenant, whatever its status.

        Raises:
            TenantNotFound: there is none.
        """
        tenant = await self._tenants.find(tenant_id_of(tenant_id))
        if tenant is None:
            raise TenantNotFound("there is no such tenant")
        return tenant


class ListTenants:
    """Reads all tenants, page by page."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def __call__(self, limit: int, cursor: str | None, wanted: TenantFilter = _ALL) -> Slice[Tenant]:
        """Those wanted, newest first.

        Raises:
            InvalidRequest: the cursor is not one of this listing.
        """
        found = await self._tenants.newest(limit + 1, _position(cursor) if cursor else None, wanted)
        page = tuple(found[:limit])
        return Slice(page, encode_cursor(page[-1].id) if len(found) > limit else None)


def _position(cursor: str) -> str:
    try:
        return tenant_id_of(str(decode_cursor(cursor, str)[0]))
    except TenantNotFound as error:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"}) from error
