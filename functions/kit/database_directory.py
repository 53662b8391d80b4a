"""Which databases tenants have, as the platform context publishes them, and connections to go through all of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from functions.kit.database import Databases
from functions.kit.each_database import AT_ONCE, EachDatabase
from functions.kit.runtime import Runtime
from functions.kit.tenancy import TenantDatabaseCredentials

_PAGE = """
    SELECT database FROM runtime.tenants WHERE status <> 'provisioning' AND database > $1 ORDER BY database LIMIT $2
"""


class PostgresDirectory:
    """Port `Directory`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def page(self, after: str, limit: int) -> Sequence[str]:
        """Names beyond one, in order."""
        async with self._databases.acquire() as session:
            return [row["database"] for row in await session.fetch(_PAGE, after, limit)]


@asynccontextmanager
async def every_database(runtime: Runtime) -> AsyncIterator[tuple[EachDatabase, Databases]]:
    """What goes through them, and its connections: its own, and few, so that no request waits for one."""
    databases = Databases(
        runtime.settings.database_url.get_secret_value(),
        pool_size=2,
        pools=AT_ONCE + 1,
        timeout=runtime.settings.database_timeout_seconds,
        credentials=TenantDatabaseCredentials(runtime.databases, runtime.secrets),
    )
    try:
        yield EachDatabase(PostgresDirectory(databases)), databases
    finally:
        await databases.close()
