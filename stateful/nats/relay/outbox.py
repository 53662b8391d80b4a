"""Publishes the outbox of one database, and keeps at it for the platform's."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from functions.kit.database import OUTBOX_CHANNEL, Connection
from stateful.nats.connection import BusAway, Publisher
from stateful.nats.loops import keep_running
from stateful.nats.relay.metrics import OUTBOX_PUBLISHED, OUTBOX_REFUSED
from stateful.nats.relay.settings import RelaySettings

if TYPE_CHECKING:
    Session = asyncpg.Connection[asyncpg.Record] | Connection

_SECONDS = 10.0
_PENDING = """
    SELECT id::text, subject, payload::text AS body, created_at
    FROM outbox
    WHERE published_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) > ($1, $2::uuid))
    ORDER BY created_at, id LIMIT $3
    FOR UPDATE SKIP LOCKED
"""
_MARK = "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1::uuid[])"
_logger = logging.getLogger("dcoder.events.relay")


@dataclass(frozen=True, slots=True)
class _Page:
    read: int
    refused: int
    last: tuple[datetime, str] | None


class Outbox:
    """Publishes rows; works on any database that has the kit's tables."""

    def __init__(self, publisher: Publisher, settings: RelaySettings) -> None:
        self._publisher = publisher
        self._settings = settings

    async def publish_pending(self, session: "Session") -> bool:
        """Publish every row that waits, oldest first.

        A row that NATS refuses stays, is counted, and does not hold up those after it. Rows that another relay is
        publishing are left to it.

        Returns:
            whether all rows were published.

        Raises:
            BusAway: NATS is not there; what it has taken is marked, nothing else.
        """
        refused, page = 0, _Page(read=self._settings.batch, refused=0, last=None)
        while page.read == self._settings.batch:
            page = await self._publish_page(session, page.last)
            refused += page.refused
        return not refused

    async def _publish_page(self, session: "Session", after: tuple[datetime, str] | None) -> _Page:
        async with session.transaction():
            moment, last_id = after or (None, None)
            rows = await session.fetch(_PENDING, moment, last_id, self._settings.batch, timeout=_SECONDS)
            results = await asyncio.gather(*(self._publish(row) for row in rows), return_exceptions=True)
            published = [row["id"] for row, result in zip(rows, results, strict=True) if result is None]
            if published:
                await session.execute(_MARK, published, timeout=_SECONDS)
        OUTBOX_PUBLISHED.inc(len(published))
        refused = [(row, error) for row, error in zip(rows, results, strict=True) if isinstance(error, BaseException)]
        for row, error in refused:
            if isinstance(error, BusAway):
                raise error
            OUTBOX_REFUSED.inc()
            _logger.error(
                "NATS refuses an outbox row",
                extra={"event": row["id"], "subject": row["subject"], "reason": f"{type(error).__name__}: {error}"},
            )
        return _Page(len(rows), len(refused), (rows[-1]["created_at"], rows[-1]["id"]) if rows else None)

    async def _publish(self, row: "asyncpg.Record") -> None:
        await self._publisher.publish(row["subject"], row["body"].encode(), message_id=row["id"])


class PlatformOutbox:
    """Keeps the platform database's outbox empty, woken by notifications.

    Args:
        url: address of the platform database.
        hint: told the name of a tenant's database when somebody says that it has events.
    """

    def __init__(self, url: str, outbox: Outbox, settings: RelaySettings, *, hint: Callable[[str], None]) -> None:
        self._url = url
        self._outbox = outbox
        self._settings = settings
        self._hint = hint
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled."""
        await keep_running("the platform's outbox", self._relay)

    async def _relay(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=5,
            command_timeout=_SECONDS,
            server_settings={"application_name": "dcoder-relay"},
        )
        try:
            await self._listen_and_publish(connection)
        finally:
            await _close(connection)

    async def _listen_and_publish(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        own = str(await connection.fetchval("SELECT current_database()", timeout=_SECONDS))

        def notified(*details: object) -> None:
            database = str(details[-1])
            if database not in {"", own}:
                self._hint(database)
            self._wake.set()

        await asyncio.wait_for(connection.add_listener(OUTBOX_CHANNEL, notified), _SECONDS)
        pause = self._settings.poll_seconds
        while True:
            self._wake.clear()
            complete = await self._outbox.publish_pending(connection)
            pause = self._settings.poll_seconds if complete else min(30.0, pause * 2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)


async def _close(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await connection.close(timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
