"""Publishes the outboxes of the tenants' databases over a few connections, however many tenants there are."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from functions.kit.database import PLATFORM, Databases
from stateful.nats.connection import BusAway
from stateful.nats.loops import keep_running
from stateful.nats.relay.outbox import Outbox
from stateful.nats.relay.settings import RelaySettings

_AGAIN_SECONDS = 30.0
_SECONDS = 10.0
_WRITTEN = """
    SELECT t.database, s.tup_inserted AS rows
    FROM runtime.tenants t JOIN pg_stat_database s ON s.datname = t.database
    WHERE t.status <> 'provisioning'
"""

_logger = logging.getLogger("dcoder.events.relay")


class TenantOutboxes:
    """Keeps the tenants' outboxes empty.

    A database is looked into when somebody says that it has events (`hint`), or when its count of inserted rows has
    moved since the last look, which Postgres tells for all databases in one query on the platform's. Once in a while
    every database is looked into, so that nothing depends on the hints.

    Args:
        platform: gives connections to the platform database.
        tenants: as many as tenants' databases may be connected to at once, each used for one at a time.
    """

    def __init__(
        self, platform: Databases, tenants: Sequence[Databases], outbox: Outbox, settings: RelaySettings
    ) -> None:
        self._platform = platform
        self._tenants = tenants
        self._outbox = outbox
        self._settings = settings
        self._hinted: set[str] = set()
        self._waiting: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._wake = asyncio.Event()

    def hint(self, database: str) -> None:
        """A database has events."""
        self._hinted.add(database)
        self._waiting.setdefault(database, time.monotonic())
        self._wake.set()

    def waiting(self) -> tuple[int, float]:
        """How many databases are to be looked into or could not be emptied, and for how many seconds at most."""
        return len(self._waiting), time.monotonic() - min(self._waiting.values()) if self._waiting else 0.0

    async def run(self) -> None:
        """Publish until cancelled."""
        await keep_running("the tenants' outboxes", self._relay)

    async def _relay(self) -> None:
        self._seen.clear()
        forget_at = time.monotonic() + self._settings.full_sweep_seconds
        counted_at, counts = 0.0, dict[str, int]()
        while time.monotonic() < forget_at:
            hinted, self._hinted = self._hinted, set()
            self._wake.clear()
            if hinted - counts.keys() or time.monotonic() - counted_at >= self._settings.tenant_poll_seconds:
                counted_at, counts = time.monotonic(), await self._counts()
                # Of tenants that are gone nothing waits.
                self._waiting = {name: since for name, since in self._waiting.items() if name in counts}
            due = [name for name, rows in counts.items() if name in hinted or self._seen.get(name) != rows]
            await self._sweep_all(due, counts)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.tenant_poll_seconds)

    async def _counts(self) -> dict[str, int]:
        async with self._platform.acquire(PLATFORM) as connection:
            rows = await connection.fetch(_WRITTEN, timeout=_SECONDS)
        return {row["database"]: row["rows"] for row in rows}

    async def _sweep_all(self, databases: list[str], counts: dict[str, int]) -> None:
        waiting = iter(databases)

        async def worker(tenants: Databases) -> None:
            for database in waiting:
                if self._not_before.get(database, 0.0) > time.monotonic():
                    self._hinted.add(database)
                elif await self._sweep(tenants, database):
                    # The count is older than the look: what was inserted meanwhile is looked for again.
                    self._seen[database] = counts[database]

        async with asyncio.TaskGroup() as group:
            for tenants in self._tenants[: len(databases)]:
                group.create_task(worker(tenants))

    async def _sweep(self, tenants: Databases, database: str) -> bool:
        """Publish one database's rows. Returns whether none is left; one that fails is left alone for a while."""
        pause = _AGAIN_SECONDS
        self._waiting.setdefault(database, time.monotonic())
        try:
            async with tenants.acquire(database) as connection:
                complete = await self._outbox.publish_pending(connection)
        except BusAway:
            complete, pause = False, 1.0
        except Exception as error:  # noqa: BLE001 - one tenant's trouble is not the others'
            reason = f"{type(error).__name__}: {error}"
            _logger.warning("a tenant's outbox cannot be read", extra={"database": database, "reason": reason})
            complete = False
        if complete:
            self._not_before.pop(database, None)
            self._waiting.pop(database, None)
        else:
            self._hinted.add(database)
            self._not_before[database] = time.monotonic() + pause
        return complete
