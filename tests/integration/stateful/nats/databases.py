"""Fresh databases with the platform's schema, cloned per test; roles and rights are the migration's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg

from functions.kit.database import OUTBOX_CHANNEL
from functions.kit.events import Event
from functions.kit.identifiers import new_id
from functions.platform.adapters.postgres_server import TEMPLATE_DATABASE

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

FUNCTIONS_ROLE = "dcoder_platform"
TENANT_ROLE = "tenant_test"
_INSERT = "INSERT INTO outbox (id, subject, payload) VALUES ($1, $2, $3::jsonb)"
_TENANT = """
    INSERT INTO tenants (id, slug, name, status, plan, database, database_role, database_secret)
    VALUES ($1, $2, $2, 'active', 'free', $2, $2, '')
"""


class PlatformDatabase:
    """A platform database of one test, and the tenants in it.

    Attributes:
        connection: a superuser's, for what the test itself asks and does.
        url: the functions' role's address.
    """

    def __init__(self, address: str, name: str, connection: Connection) -> None:
        self._address = address
        self._tenants: list[str] = []
        self.connection = connection
        self.url = f"postgresql://{FUNCTIONS_ROLE}@{address}/{name}"

    @classmethod
    @asynccontextmanager
    async def made(cls, address: str) -> "AsyncIterator[PlatformDatabase]":
        """A clone of the migrated one, dropped after the block."""
        name = f"platform_{uuid4().hex}"
        admin = await asyncpg.connect(f"postgresql://postgres@{address}/postgres")
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE platform STRATEGY WAL_LOG")
        connection = await asyncpg.connect(f"postgresql://postgres@{address}/{name}")
        platform = cls(address, name, connection)
        try:
            yield platform
        finally:
            await connection.close()
            for database in (name, *platform._tenants):
                await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            await admin.close()

    async def add_tenant(self, *, with_database: bool = True) -> str:
        """Returns the name of its database."""
        name = f"tenant_{uuid4().hex}"
        if with_database:
            self._tenants.append(name)
            await self.connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_DATABASE} STRATEGY WAL_LOG")
        await self.connection.execute(_TENANT, new_id(), name)
        return name

    async def at(self, database: str, statement: str, *arguments: object) -> None:
        """Run a statement in a tenant's database, over a connection that ends with it."""
        connection = await asyncpg.connect(f"postgresql://postgres@{self._address}/{database}")
        await connection.execute(statement, *arguments)
        await connection.close()

    async def emit(self, *events: Event, tenant: str | None = None) -> None:
        """Write outbox rows, telling nobody."""
        for event in events:
            row = (event.id, event.type, event.to_json().decode())
            await (self.at(tenant, _INSERT, *row) if tenant else self.connection.execute(_INSERT, *row))

    async def notify(self, database: str = "") -> None:
        """Tell of rows in this database, or in another, as the kit does at commit."""
        query = "SELECT pg_notify($1, coalesce(nullif($2, ''), current_database()))"
        await self.connection.execute(query, OUTBOX_CHANNEL, database)

    async def unpublished(self) -> int:
        """How many rows wait."""
        return int(await self.connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"))

    async def published(self) -> bool:
        """Whether none does."""
        return await self.unpublished() == 0


async def credentials(_: str) -> tuple[str, str]:
    """Role and password of any tenant's database; this server asks for none."""
    return TENANT_ROLE, "unused"
