"""Registrations whose task was lost are asked for again; those that nothing comes of for a day have failed."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from functions.integrations.core.models import Registration
from functions.integrations.core.ports import Events, Pending, Queue
from functions.kit.each_database import EachDatabase, Outcome
from functions.kit.subjects import McpRequested

_LOST = timedelta(minutes=30)
GIVEN_UP = timedelta(hours=24)
_REASON = "nothing came of reading it within 24 hours, however often it was begun; register it again"

_logger = logging.getLogger(__name__)


class RemindOfDocuments:
    """Looks for them in every tenant's database. Sound to repeat, also at the same time.

    Args:
        begin: opens a unit of work; none is open while the queue is looked through.
    """

    def __init__(
        self,
        each: EachDatabase,
        pending: Pending,
        queue: Queue,
        events: Events,
        *,
        begin: Callable[[], AbstractAsyncContextManager[Any]],
        now: Callable[[], datetime],
    ) -> None:
        self._each = each
        self._pending = pending
        self._queue = queue
        self._events = events
        self._begin = begin
        self._now = now

    async def __call__(self) -> int:
        """Do it now; returns how many were asked for again.

        Raises:
            DependencyUnavailable: the queue is away, or some databases, named in the message, after all others were
                done.
        """
        now = self._now()
        looked = await self._each.tenants(lambda database: self._look(database, now))
        overdue = {database: found for database, found in looked.found.items() if found}
        asked = Outcome[int](failed=looked.failed)
        if overdue:
            # Once for all: it may be long.
            waiting = await self._queue.waiting({one for found in overdue.values() for one in found})
            lost = {database: [one for one in found if one not in waiting] for database, found in overdue.items()}
            await self._each.of(list(lost), lambda database: self._ask_again(database, lost[database], now), asked)
        asked.found = dict.fromkeys(looked.found, 0) | asked.found
        asked.ensure_all("pending MCP servers were not looked for")
        return sum(asked.found.values())

    async def _look(self, database: str, now: datetime) -> Sequence[Registration]:
        async with self._begin():
            given_up = await self._pending.give_up(database, now - GIVEN_UP, _REASON)
            overdue = await self._pending.overdue(database, now - _LOST)
        if given_up:
            _logger.warning("documents were given up", extra={"database": database, "servers": list(given_up)})
        return overdue

    async def _ask_again(self, database: str, lost: Sequence[Registration], now: datetime) -> int:
        asked = []
        async with self._begin():
            for one in lost:
                if not await self._pending.ask_again(database, one, now - _LOST):
                    continue
                again = McpRequested(tenant_id=one.tenant_id, name=one.name, requested_at=one.requested_at)
                self._events.publish(again, one.tenant_id, database)
                asked.append(one.name)
        if asked:
            _logger.warning("documents are asked for again", extra={"database": database, "servers": asked})
        return len(asked)
