"""Whose document is ingested next: a tenant's thousand documents do not hold back another's one.

Events come in the order in which documents were added, all tenants in one line. So a process works on a few documents
of a tenant at once and passes over the events of the others: the rows tell what is left, and whoever has done one
goes on with the next. An event that was passed over is gone, but never the last one: those of the documents at
work are answered only when nothing of the tenant is left to do, and come again if the process dies. After a while a
worker sends an event for what is left, which lines up behind the others.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from functions.kit.subjects import DocumentQueued
from functions.knowledge.core.ingest import IngestionWaits
from functions.knowledge.core.ingest_ports import Begin, Due, Waiting
from functions.knowledge.core.models import Space
from functions.knowledge.core.ports import Events

# What another process works on is looked at again after so many seconds: if it died, its lease has run out by then.
_LOOK_AGAIN = 90.0
_DUE_NOW = 0.05

_logger = logging.getLogger("dcoder.ingestion")

# Does what there is to do for one document, as `Ingest` does.
IngestOne = Callable[[Space, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TurnsPolicy:
    """How much a process does for one tenant while others wait.

    Attributes:
        at_once: documents.
        seconds: before a worker lines up again, at the end of a document, while the process works for others as well.
        alone_seconds: the same while it works for nobody else, whose events would find it free; an event that is not
            answered for half an hour is given up.
    """

    at_once: int = 6
    seconds: float = 10.0
    alone_seconds: float = 600.0


@dataclass(slots=True)
class _Line:
    """What this process does for a tenant.

    Attributes:
        knocks: how often an event was passed over, so that nobody leaves who has not looked since.
    """

    workers: int = 0
    knocks: int = 0
    busy: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Turn:
    """What a worker leaves.

    Attributes:
        behind: documents that get events of their own.
        skipped: what broke off, and is not tried a second time.
        error: what is to be answered to its event.
    """

    behind: list[Due] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    error: Exception | None = None


class IngestInTurns:
    """Does what there is to do for an event's document, and in its place for others of the tenant."""

    def __init__(
        self, ingest: IngestOne, begin: Begin, ingestions: Waiting, events: Events, policy: TurnsPolicy
    ) -> None:
        self._ingest = ingest
        self._begin = begin
        self._ingestions = ingestions
        self._events = events
        self._policy = policy
        self._lines: dict[str, _Line] = {}
        self._is_stopping = False

    def stop(self) -> None:
        """Let every worker leave at the end of its document: the process is about to end."""
        self._is_stopping = True

    async def __call__(self, space: Space, document_id: str) -> None:
        """Work until nothing is left for the tenant that can be done now, or its turn is over.

        Raises:
            IngestionWaits: something is left for later.
            DependencyUnavailable: what it needs is away.
        """
        line = self._lines.get(space.tenant_id)
        if line and document_id in line.busy:
            # What it was queued for may be due only after those at work have left: its event has to come again. Soon,
            # and then ever more seldom: the document may be put off in the next moment, or take an hour.
            raise IngestionWaits("the document is at work")
        if line and self._is_full(line) and await self._is_left_to_others(space, document_id):
            return
        line, turn = self._lines.setdefault(space.tenant_id, _Line()), _Turn()
        line.workers += 1
        try:
            await self._work(space, line, document_id, turn)
        finally:
            line.workers -= 1
            if not line.workers:
                self._lines.pop(space.tenant_id, None)
        for due in turn.behind:
            # Only now: the event may be here before this line ends, and must find the place free.
            await self._line_up(space, due)
        if turn.error:
            raise turn.error

    def _is_full(self, line: _Line) -> bool:
        return line.workers >= self._policy.at_once

    async def _is_left_to_others(self, space: Space, document_id: str) -> bool:
        """Whether those at work will see to the document.

        Raises:
            IngestionWaits: it is not due: its event has to come again.
        """
        async with self._begin():
            due = await self._ingestions.due_in(space, document_id)
        if due is None:
            return True
        if due > _DUE_NOW:
            raise IngestionWaits("the document waits", retry_after=min(due, _LOOK_AGAIN))
        # Those at work may have left meanwhile.
        line = self._lines.get(space.tenant_id)
        if line is None or not self._is_full(line):
            return False
        line.knocks += 1
        return True

    async def _work(self, space: Space, line: _Line, document_id: str, turn: _Turn) -> None:
        """Do documents. What goes wrong with one does not keep the others from being done."""
        began = time.monotonic()
        try:
            await self._do(space, line, document_id)
        except IngestionWaits as error:
            turn.error = error
        except Exception as error:  # noqa: BLE001 - it is raised when the others are done
            turn.error = error
            turn.skipped.add(document_id)
        while True:
            heard = line.knocks
            async with self._begin():
                following = await self._ingestions.next_due(space, line.busy | turn.skipped)
                # The last one here sees to it that somebody comes back for what another process may leave.
                held = following is None and line.workers == 1 and await self._ingestions.held(space)
            if following is None and line.knocks == heard:
                if held:
                    turn.error = turn.error or IngestionWaits("others are at work", retry_after=_LOOK_AGAIN)
                return
            if following is None or following.document_id in line.busy:
                continue
            if self._is_over(began):
                turn.behind.append(following)
                return
            try:
                await self._do(space, line, following.document_id)
            except IngestionWaits:
                continue
            except Exception:
                # From here on it has an event of its own, which is tried again and set aside as any other.
                _logger.exception("a document broke off", extra={"document": following.document_id})
                turn.behind.append(following)
                turn.skipped.add(following.document_id)

    def _is_over(self, began: float) -> bool:
        """Whether the turn is over of a worker that began then."""
        lasts = self._policy.seconds if len(self._lines) > 1 else self._policy.alone_seconds
        return self._is_stopping or time.monotonic() - began > lasts

    async def _do(self, space: Space, line: _Line, document_id: str) -> None:
        line.busy.add(document_id)
        try:
            await self._ingest(space, document_id)
        finally:
            line.busy.discard(document_id)

    async def _line_up(self, space: Space, due: Due) -> None:
        queued = DocumentQueued(
            tenant_id=space.tenant_id, corpus_id=due.corpus_id, document_id=due.document_id, job_id=due.job_id
        )
        async with self._begin():
            self._events.publish(queued, space)
