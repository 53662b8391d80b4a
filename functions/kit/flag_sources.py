"""Where environments come from: rows in Postgres (the embedded adapter) or a Flagsmith server."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import aiohttp
import asyncpg
import orjson

from functions.kit.database import Connection, Databases
from functions.kit.errors import DependencyUnavailable
from functions.kit.flag_document import DefaultState, Document
from functions.kit.flag_registry import FlagRegistry
from functions.kit.flag_states import StoredOverride, render

_SECONDS = 2.0
_REVISION = "SELECT revision, updated_at FROM runtime.flag_revision"
_DEFAULTS = "SELECT name, enabled, value, percentage::float8, rollout_by FROM runtime.flag_defaults"
_OVERRIDES = "SELECT tenant_id::text, segment_id, name, enabled, value FROM runtime.flag_overrides"
_KEPT = "SELECT document FROM runtime.flag_document"


class FlagSource(Protocol):
    """Gives the environment document."""

    async def load(self, *, again: bool = False) -> Document | None:
        """The document as it is now; None when it has not changed since the last call.

        Args:
            again: give it even so.

        Raises:
            DependencyUnavailable: it cannot be had now.
        """
        ...


class PostgresFlagSource:
    """The embedded adapter's rows, read when their revision has moved.

    Args:
        environment: key of the environment.
    """

    def __init__(self, databases: Databases, registry: FlagRegistry, environment: str) -> None:
        self._databases = databases
        self._registry = registry
        self._environment = environment
        self._revision: int | None = None

    async def load(self, *, again: bool = False) -> Document | None:
        """The document, rendered from the rows."""
        try:
            async with asyncio.timeout(_SECONDS), self._databases.acquire() as connection:
                # Read before the rows: what changes in between moves it again.
                revision = await connection.fetchval(_REVISION)
                if revision == self._revision and not again:
                    return None
                document = await read_rows(connection, self._registry, self._environment)
        except (TimeoutError, asyncpg.PostgresError) as error:
            # The tables may be missing too: a process can start before the migrations have run.
            raise DependencyUnavailable("the flags cannot be read", details={"dependency": "postgres"}) from error
        self._revision = revision
        return document


async def read_rows(connection: Connection, registry: FlagRegistry, environment: str) -> Document:
    """The document of the rows that a connection sees, those of its own transaction included."""
    updated_at: datetime = await connection.fetchval(_REVISION, column=1)
    return render(
        registry,
        environment=environment,
        defaults={row["name"]: _default(dict(row)) for row in await connection.fetch(_DEFAULTS)},
        overrides=[StoredOverride(**dict(row)) for row in await connection.fetch(_OVERRIDES)],
        updated_at=updated_at,
    )


class FlagsmithFlagSource:
    """A Flagsmith server, asked as its SDKs do in local evaluation mode.

    Until it has been reached once, the document that the platform kept of it last is the answer.

    Args:
        url: the server's address, without `/api/v1/`.
        environment_key: a server-side key (`ser.…`).
        databases: where the platform keeps the last document; None: nowhere.
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, environment_key: str, databases: Databases | None = None
    ) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/api/v1/environment-document/"
        self._key = environment_key
        self._databases = databases
        self._reached = False
        self._validator = ""

    async def load(self, *, again: bool = False) -> Document | None:
        """The server's document."""
        headers = {"X-Environment-Key": self._key}
        if self._validator and not again:
            headers["If-Modified-Since"] = self._validator
        try:
            return await self._fetch(headers)
        except DependencyUnavailable:
            kept = None if self._reached else await self._kept()
            if kept is None:
                raise
            self._reached = True
            return kept

    async def _fetch(self, headers: Mapping[str, str]) -> Document | None:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with self._http.get(self._url, headers=headers, timeout=timeout, allow_redirects=False) as response:
                if response.status == 304:
                    return None
                if response.status != 200:
                    raise _away(f"Flagsmith answered {response.status}")
                document: Any = orjson.loads(await response.read())
                self._validator = _validator(response.headers)
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise _away("Flagsmith is not available") from error
        if not isinstance(document, dict):
            raise _away("Flagsmith did not answer with an environment")
        self._reached = True
        return document

    async def _kept(self) -> Document | None:
        if self._databases is None:
            return None
        try:
            async with asyncio.timeout(_SECONDS), self._databases.acquire() as connection:
                document: Document | None = await connection.fetchval(_KEPT)
        except (DependencyUnavailable, TimeoutError, asyncpg.PostgresError):
            return None
        return document


def _validator(headers: Mapping[str, str]) -> str:
    """Last-Modified where it can be relied on: it counts whole seconds, so a second change in the last one is unseen.

    RFC 9110, section 8.8.2.2: it is a strong validator when it is well before the answer's date.
    """
    modified, date = headers.get("Last-Modified", ""), headers.get("Date", "")
    try:
        settled = (parsedate_to_datetime(date) - parsedate_to_datetime(modified)).total_seconds() >= 2
    except ValueError:
        return ""
    return modified if settled else ""


def _default(row: Mapping[str, Any]) -> DefaultState:
    return DefaultState(row["enabled"], row["value"], row["percentage"], row["rollout_by"])


def _away(message: str) -> DependencyUnavailable:
    return DependencyUnavailable(message, details={"dependency": "flagsmith"})
