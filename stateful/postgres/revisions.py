"""Walks a database along its histories with Alembic.

Alembic's `op` is one for the whole process; here many databases are walked at once, so a revision's `upgrade` and
`downgrade` take their connection instead.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import asyncpg
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from stateful.postgres.schema import CONNECT_SECONDS, LOCK_SECONDS, VERSIONS_SCHEMA, Change, Setup


async def walk(dsn: str, changes: Sequence[Change], setup: Setup) -> None:
    """Make the changes, each revision in a transaction of its own."""

    async def connect(*_: object, **__: object) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": "dcoder-migrate", "lock_timeout": f"{LOCK_SECONDS}s"},
        )

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_walk, changes, setup)
    finally:
        await engine.dispose()


def _walk(connection: Connection, changes: Sequence[Change], setup: Setup) -> None:
    with connection.begin():
        for statement in (f"CREATE SCHEMA IF NOT EXISTS {VERSIONS_SCHEMA}", *setup.before):
            connection.exec_driver_sql(statement)
    for change in changes:
        _change(connection, change)
    with connection.begin():
        for statement in setup.after:
            connection.exec_driver_sql(statement)


def _change(connection: Connection, change: Change) -> None:
    script = _script(change.history.folder)
    options = {"version_table": change.history.name, "version_table_schema": VERSIONS_SCHEMA}
    context = MigrationContext.configure(connection, opts=options)
    with connection.begin():
        # Read again: an attempt before this one may have come part of the way.
        current = context.get_current_revision()
    revisions = change.history.revisions
    at = revisions.index(current) + 1 if current else 0
    to = revisions.index(change.after) + 1 if change.after else 0
    for revision in revisions[at:to]:
        with connection.begin():
            script.get_revision(revision).module.upgrade(connection)
            context.stamp(script, revision)
    for index in range(at - 1, to - 1, -1):
        with connection.begin():
            script.get_revision(revisions[index]).module.downgrade(connection)
            context.stamp(script, revisions[index - 1] if index else "base")


@lru_cache(maxsize=32)
def _script(folder: Path) -> ScriptDirectory:
    return ScriptDirectory(str(folder))
