"""Roles and databases of tenants, made by the provisioning role."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from functions.kit.database import Connection, Databases
from functions.kit.errors import DependencyUnavailable
from functions.platform.adapters.scram import scram_verifier
from functions.platform.core.errors import ProvisioningFailed

TEMPLATE_DATABASE = "tenant_template"
MEMBER_ROLE = "tenant_member"
_TEMPLATE_TRIES = 4
_TEMPLATE_PAUSE_SECONDS = 0.1


class PostgresServer:
    """Port `DatabaseServer`.

    Args:
        admin: connects as the provisioning role; None in a process that is not trusted with it.
    """

    def __init__(self, admin: Databases | None) -> None:
        self._admin = admin

    async def create_role(self, role: str) -> str:
        """Make a role that may log in, and return its password."""
        password = secrets.token_urlsafe(32)
        async with self._session() as session:
            await session.execute(
                f"CREATE ROLE {identifier(role)} LOGIN PASSWORD '{scram_verifier(password)}'"
                f" IN ROLE {identifier(MEMBER_ROLE)}"
            )
        return password

    async def create_database(self, database: str, role: str) -> None:
        """Clone the template. Nobody can connect before the privileges are set: they are not cloned."""
        name = identifier(database)
        async with self._session() as session:
            await _clone_template(session, name)
            await session.execute(
                f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
                f"GRANT CONNECT ON DATABASE {name} TO {identifier(role)};"
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"
            )

    async def drop_database(self, database: str, role: str) -> None:
        """Remove a database, ending the connections to it."""
        async with self._session() as session:
            # Ending a role's connections takes membership in it, or a superuser.
            if await session.fetchval(_MAY_JOIN, role):
                await session.execute(f"GRANT {identifier(role)} TO CURRENT_USER WITH INHERIT TRUE")
            await session.execute(f"DROP DATABASE IF EXISTS {identifier(database)} WITH (FORCE)")

    async def drop_role(self, role: str) -> None:
        """Remove a role."""
        async with self._session() as session:
            await session.execute(f"DROP ROLE IF EXISTS {identifier(role)}")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        if self._admin is None:
            raise DependencyUnavailable("this process may not provision", details={"dependency": "provisioning"})
        try:
            async with self._admin.acquire() as session:
                yield session
        except asyncpg.PostgresError as error:
            raise ProvisioningFailed("the tenant could not be provisioned; nothing is left of it") from error


_MAY_JOIN = """
    SELECT NOT rolsuper AND to_regrole($1) IS NOT NULL FROM pg_roles WHERE rolname = current_user
"""


async def _clone_template(session: Connection, name: str) -> None:
    # WAL_LOG copies the few megabytes of a template without the checkpoint that FILE_COPY forces on the server.
    statement = (
        f"CREATE DATABASE {name} TEMPLATE {identifier(TEMPLATE_DATABASE)} STRATEGY WAL_LOG ALLOW_CONNECTIONS false"
    )
    for attempt in range(1, _TEMPLATE_TRIES + 1):
        try:
            await session.execute(statement)
        except asyncpg.ObjectInUseError:
            # A migration is in the template; the server itself has already waited for it.
            if attempt == _TEMPLATE_TRIES:
                raise
            await asyncio.sleep(_TEMPLATE_PAUSE_SECONDS)
        else:
            return


def identifier(name: str) -> str:
    """A name quoted as an SQL identifier.

    Raises:
        ValueError: Postgres cannot hold the name.
    """
    if not name or "\0" in name or len(name.encode()) > 63:
        raise ValueError(f"not a name: {name!r}")
    return '"' + name.replace('"', '""') + '"'
