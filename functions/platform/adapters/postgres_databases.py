"""What is looked for and deleted by the clock in the platform's database and every tenant's."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from functions.kit.database import OUTBOX_CHANNEL, PLATFORM, Connection, Databases
from functions.platform.core.housekeeping import Ages
from functions.platform.core.outbox_sweep import Waiting

_WAITING = """
    SELECT count(*) AS events, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::int8 AS seconds
    FROM outbox WHERE published_at IS NULL
"""
_NUDGE = (
    "SELECT pg_notify($1, coalesce(nullif(database, $2), current_database())) FROM unnest($3::text[]) AS d(database)"
)
# Along the key, once through the table: no index knows when rows were published.
_PUBLISHED = """
    WITH page AS MATERIALIZED (SELECT id, published_at FROM outbox WHERE id > $1::uuid ORDER BY id LIMIT $3),
         gone AS (
             DELETE FROM outbox WHERE id IN (SELECT id FROM page WHERE published_at < now() - $2::interval) RETURNING 1
         )
    SELECT count(*) AS read, (SELECT count(*) FROM gone) AS gone,
           (SELECT id::text FROM page ORDER BY id DESC LIMIT 1) AS last
    FROM page
"""
_HANDLED = """
    DELETE FROM handled_events WHERE (source, id, function) IN (
        SELECT source, id, function FROM handled_events WHERE handled_at < now() - $1::interval
        ORDER BY handled_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
# Of the same age as those that functions/kit/idempotency.py takes for none.
_ANSWERED = """
    DELETE FROM idempotency_keys WHERE (scope, key) IN (
        SELECT scope, key FROM idempotency_keys WHERE created_at < now() - $1::interval
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
_ANSWERS_KEPT = timedelta(hours=24)
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"
_AT_ONCE = 500


class PostgresOldRows:
    """Port `OldRows`."""

    def __init__(self, databases: Databases, *, at_once: int = _AT_ONCE) -> None:
        self._databases = databases
        self._at_once = at_once

    async def forget(self, database: str, ages: Ages) -> int:
        """Published events, marks of handled ones, and answers kept under Idempotency-Keys."""
        async with self._databases.acquire(database) as session:
            deleted = await self._published(session, ages.published)
            deleted += await self._older(session, _HANDLED, ages.handled)
            if database == PLATFORM:
                deleted += await self._older(session, _ANSWERED, _ANSWERS_KEPT)
        return deleted

    async def _published(self, session: Connection, age: timedelta) -> int:
        deleted, read, last = 0, self._at_once, _BEFORE_ALL
        while read == self._at_once:
            row: Any = await session.fetchrow(_PUBLISHED, last, age, self._at_once)
            read, last = row["read"], row["last"]
            deleted += row["gone"]
        return deleted

    async def _older(self, session: Connection, statement: str, age: timedelta) -> int:
        deleted, gone = 0, self._at_once
        while gone == self._at_once:
            gone = int((await session.execute(statement, age, self._at_once)).split()[-1])
            deleted += gone
        return deleted


class PostgresOutboxes:
    """Port `Outboxes`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def waiting(self, database: str) -> Waiting:
        """What is not published yet."""
        async with self._databases.acquire(database) as session:
            row: Any = await session.fetchrow(_WAITING)
        return Waiting(row["events"], row["seconds"])

    async def nudge(self, databases: Iterable[str]) -> None:
        """As whoever commits events does, on the platform's database, to which the relay listens."""
        async with self._databases.acquire() as session:
            await session.execute(_NUDGE, OUTBOX_CHANNEL, PLATFORM, list(databases))
