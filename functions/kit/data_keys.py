"""The tenants' data keys as the platform database publishes them."""

import time

from functions.kit.database import Databases
from functions.kit.errors import Internal
from functions.kit.secrets import DataKey, KeyManagement, WrappedKey

_FRESH_SECONDS = 60.0
_MOST = 10_000


class PostgresDataKeys:
    """Reads `runtime.tenant_keys` and keeps opened keys in memory for a minute.

    A version's key never changes, so a kept one is never wrong; the active version is asked anew.
    """

    def __init__(self, databases: Databases, management: KeyManagement) -> None:
        self._databases = databases
        self._management = management
        self._opened: dict[tuple[str, int], tuple[float, DataKey]] = {}

    async def active(self, tenant_id: str) -> DataKey:
        """The tenant's active key.

        Raises:
            Internal: the tenant has none.
        """
        return await self._load(
            tenant_id, "SELECT version, kek_id, wrapped FROM runtime.tenant_keys WHERE tenant_id = $1 AND active"
        )

    async def version(self, tenant_id: str, version: int) -> DataKey:
        """The tenant's key of that version.

        Raises:
            Internal: there is none.
        """
        kept = self._opened.get((tenant_id, version))
        if kept and kept[0] > time.monotonic():
            return kept[1]
        return await self._load(
            tenant_id,
            "SELECT version, kek_id, wrapped FROM runtime.tenant_keys WHERE tenant_id = $1 AND version = $2",
            version,
        )

    async def _load(self, tenant_id: str, query: str, *arguments: int) -> DataKey:
        async with self._databases.acquire() as connection:
            row = await connection.fetchrow(query, tenant_id, *arguments)
        if row is None:
            raise Internal(f"tenant {tenant_id} has no such data key")
        key = await self._management.unwrap(WrappedKey(row["kek_id"], bytes(row["wrapped"])), tenant_id)
        data_key = DataKey(row["version"], key)
        if len(self._opened) >= _MOST:
            self._opened.clear()
        self._opened[tenant_id, data_key.version] = (time.monotonic() + _FRESH_SECONDS, data_key)
        return data_key
