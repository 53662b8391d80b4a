"""What belongs to the server rather than to a database: roles, the databases themselves, who may connect."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import asyncpg

from functions.platform.adapters.postgres_server import MEMBER_ROLE, TEMPLATE_DATABASE, identifier
from functions.platform.adapters.scram import scram_verifier
from stateful.postgres.schema import CONNECT_SECONDS, Setup

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection  # the class takes no parameter at run time

_TENANT = re.compile(r"tenant_[0-9a-f]{32}")
_EXTENSIONS = ("vector", "pg_trgm", "unaccent")
_DATA = "SELECT, INSERT, UPDATE, DELETE"
# Upserts that return what a row was before (`RETURNING WITH (OLD …)`) and `uuidv7()` came with 18.
_OLDEST = 18
# Any number that nothing else on the server locks.
_LOCK = 0x0DC0DE12
# Those open to everybody, by default or by name, that the provisioning role may close.
_OPEN_DATABASES = """
    SELECT datname FROM pg_database
    WHERE datname = ANY($1) AND pg_has_role(datdba, 'USAGE') AND (datacl IS NULL OR datacl::text ~ '[{,]=')
"""
_NOT_UP = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)
_REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)


class ServerTooOld(Exception):
    """The server is older than what the schemas are written for."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Postgres server as the platform uses it.

    Attributes:
        admin_url: address of the role that provisions; its database is only connected to, never changed.
        functions_url: address of the functions' role and the platform database.
    """

    admin_url: str
    functions_url: str

    @property
    def platform(self) -> str:
        """Name of the platform database."""
        return unquote(urlsplit(self.functions_url).path.lstrip("/")) or "platform"

    @property
    def functions_role(self) -> str:
        """Name of the functions' role.

        Raises:
            ValueError: the address names none.
        """
        role = urlsplit(self.functions_url).username
        if not role:
            raise ValueError("DCODER_DATABASE_URL names no role")
        return unquote(role)

    def dsn(self, database: str) -> str:
        """The provisioning role's address of a database."""
        return urlsplit(self.admin_url)._replace(path=f"/{database}").geturl()

    async def connect(self, *, wait_seconds: float) -> Connection:
        """A connection of the provisioning role, once the server takes one.

        Raises:
            OSError: it did not in time.
            ServerTooOld: it is a Postgres before 18.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                admin = await asyncpg.connect(self.admin_url, timeout=CONNECT_SECONDS)
                break
            except _NOT_UP:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        major = admin.get_server_version().major
        if major < _OLDEST:
            await admin.close(timeout=CONNECT_SECONDS)
            raise ServerTooOld(f"the server is PostgreSQL {major}; the platform needs {_OLDEST} or newer")
        return admin

    async def lock(self, admin: Connection) -> None:
        """Wait until no other migration runs; the lock is the connection's and ends with it."""
        await admin.execute("SELECT pg_advisory_lock($1)", _LOCK)

    async def databases(self, admin: Connection) -> frozenset[str]:
        """Names of the databases there are."""
        return frozenset(row["datname"] for row in await admin.fetch("SELECT datname FROM pg_database"))

    async def tenants(self, admin: Connection) -> list[str]:
        """Names of the tenants' databases, those that are just being provisioned included."""
        return sorted(name for name in await self.databases(admin) if _TENANT.fullmatch(name))

    async def prepare(self, admin: Connection) -> None:
        """Make the roles and the two databases that are missing, and close every one to strangers."""
        await self._ensure_group(admin)
        await self._ensure_functions_role(admin)
        existing = await self.databases(admin)
        for database in (self.platform, TEMPLATE_DATABASE):
            if database not in existing:
                await admin.execute(f"CREATE DATABASE {identifier(database)}")
        await self._close_to_strangers(admin)
        await self._ensure_password(admin)

    async def _ensure_group(self, admin: Connection) -> None:
        if not await _has_role(admin, MEMBER_ROLE):
            await admin.execute(f"CREATE ROLE {identifier(MEMBER_ROLE)} NOLOGIN")

    async def _ensure_functions_role(self, admin: Connection) -> None:
        if not await _has_role(admin, self.functions_role):
            await admin.execute(f"CREATE ROLE {identifier(self.functions_role)} LOGIN{self._password_clause()}")

    async def _ensure_password(self, admin: Connection) -> None:
        """Set the password where the one in the settings is refused: it has been changed."""
        try:
            connection = await asyncpg.connect(self.functions_url, timeout=CONNECT_SECONDS)
        except _REFUSED:
            await admin.execute(f"ALTER ROLE {identifier(self.functions_role)} LOGIN{self._password_clause()}")
        else:
            await connection.close(timeout=CONNECT_SECONDS)

    def _password_clause(self) -> str:
        password = urlsplit(self.functions_url).password
        return f" PASSWORD '{scram_verifier(unquote(password))}'" if password else ""

    async def _close_to_strangers(self, admin: Connection) -> None:
        """Let nobody connect to a database who is not named for it.

        `postgres` and `template1` belong to the server's superuser: another provisioning role cannot close them.
        """
        role = identifier(self.functions_role)
        await admin.execute(f"GRANT CONNECT ON DATABASE {identifier(self.platform)} TO {role}")
        closed = [self.platform, TEMPLATE_DATABASE, "postgres", "template1"]
        for row in await admin.fetch(_OPEN_DATABASES, closed):
            name = identifier(row["datname"])
            await admin.execute(f"GRANT CONNECT ON DATABASE {name} TO CURRENT_USER")
            await admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")


async def _has_role(admin: Connection, role: str) -> bool:
    return bool(await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role))


def platform_setup(role: str) -> Setup:
    """What the functions' role may do in the platform database."""
    name = identifier(role)
    return Setup(
        after=(
            f"GRANT USAGE ON SCHEMA public TO {name}",
            f"GRANT {_DATA} ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}",
            _where_there_is("runtime", f"GRANT USAGE ON SCHEMA runtime TO {name}"),
            _where_there_is("runtime", f"GRANT SELECT ON ALL TABLES IN SCHEMA runtime TO {name}"),
            _where_there_is("audit", f"GRANT USAGE ON SCHEMA audit TO {name}"),
            _where_there_is("audit", f"GRANT SELECT ON ALL TABLES IN SCHEMA audit TO {name}"),
            _where_there_is("audit", f"GRANT EXECUTE ON FUNCTION audit.append TO {name}"),
            _where_there_is("audit", f"GRANT INSERT, UPDATE (published_at) ON audit.checkpoints TO {name}"),
        )
    )


def tenant_setup() -> Setup:
    """What a tenant's database has besides its tables, and what its role may do as a member of the group."""
    name = identifier(MEMBER_ROLE)
    return Setup(
        before=tuple(f"CREATE EXTENSION IF NOT EXISTS {extension}" for extension in _EXTENSIONS),
        after=(
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            f"GRANT USAGE ON SCHEMA public TO {name}",
            f"GRANT {_DATA} ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {_DATA} ON TABLES TO {name}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {name}",
        ),
    )


def _where_there_is(schema: str, statement: str) -> str:
    return f"DO $$ BEGIN IF to_regnamespace('{schema}') IS NOT NULL THEN {statement}; END IF; END $$"
