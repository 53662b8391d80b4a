"""One database's schema: what it lacks, and bringing it to the revision that its histories ask for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from stateful.postgres.histories import History

VERSIONS_SCHEMA = "migrations"
CONNECT_SECONDS = 10
LOCK_SECONDS = 5
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.5
_OPENING_TRIES = 20
_OPENING_PAUSE_SECONDS = 0.2
_LOCKED = {asyncpg.LockNotAvailableError.sqlstate, asyncpg.DeadlockDetectedError.sqlstate}


class SchemaError(Exception):
    """A database cannot be brought to where it should be; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """A step of one history in one database.

    Attributes:
        before: revision the database is at; None when it has nothing of the history.
        after: revision it is to be at; None when nothing is to be left.
    """

    history: History
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.history.name} {self.before or 'empty'} -> {self.after or 'empty'}"


@dataclass(frozen=True, slots=True)
class Setup:
    """Statements that go with every change of a database's schema; each is sound to repeat."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


async def lacking(dsn: str, histories: Sequence[History]) -> list[Change]:
    """What separates a database from the newest revisions.

    Raises:
        SchemaError: a newer program has been here.
    """
    found = await _revisions(dsn, histories)
    changes = []
    for history in histories:
        before = found[history.name]
        if before is not None and before not in history.revisions:
            raise SchemaError(f"history {history.name} is at {before}, which this program does not know")
        if before != history.head:
            changes.append(Change(history, before, history.head))
    return changes


async def exceeding(dsn: str, history: History, revision: str | None) -> list[Change]:
    """What separates a database from an older revision; None stands for nothing at all."""
    before = (await _revisions(dsn, [history]))[history.name]
    if before is None or before == revision:
        return []
    if before not in history.revisions:
        raise SchemaError(f"history {history.name} is at {before}, which this program does not know")
    if revision is not None and history.revisions.index(before) < history.revisions.index(revision):
        return []
    return [Change(history, before, revision)]


async def apply(dsn: str, changes: Sequence[Change], setup: Setup) -> None:
    """Make the changes, each revision in a transaction of its own.

    A statement waits a few seconds for a lock and is then tried again, so a busy database is never blocked for long;
    what was done before stays done.

    Raises:
        SchemaError: a statement failed, or the locks never came.
    """
    # Half a second of imports that a database with nothing to do is spared.
    from sqlalchemy.exc import DBAPIError

    from stateful.postgres.revisions import walk

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await walk(dsn, changes, setup)
        except DBAPIError as error:
            if attempt == _ATTEMPTS or getattr(error.orig, "sqlstate", None) not in _LOCKED:
                raise SchemaError(str(error.orig).split("\n", 1)[0]) from error
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
        else:
            return


async def _revisions(dsn: str, histories: Sequence[History]) -> dict[str, str | None]:
    connection = await _connect(dsn)
    try:
        return {history.name: await _revision(connection, history.name) for history in histories}
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    for _ in range(_OPENING_TRIES):
        # A database that is just being provisioned is closed for some milliseconds.
        with suppress(asyncpg.ObjectNotInPrerequisiteStateError):
            return await asyncpg.connect(
                dsn,
                timeout=CONNECT_SECONDS,
                command_timeout=CONNECT_SECONDS,
                server_settings={"application_name": "dcoder-migrate"},
            )
        await asyncio.sleep(_OPENING_PAUSE_SECONDS)
    raise SchemaError("it takes no connections; its provisioning may have been broken off")


async def _revision(connection: "asyncpg.Connection[asyncpg.Record]", history: str) -> str | None:
    table = f"{VERSIONS_SCHEMA}.{history}"
    if await connection.fetchval("SELECT to_regclass($1)", table) is None:
        return None
    revision: str | None = await connection.fetchval(f"SELECT version_num FROM {table}")  # noqa: S608 - a folder's name
    return revision
