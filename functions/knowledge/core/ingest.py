"""Ingestion: a document's version through its stages, each done once and noted before the next begins.

    store → parse → chunk → embed → index

What a stage makes is an object beside the version's content, or rows; it is stored before the stage is noted as done,
and making it again gives the same. So a process may die between any two lines: the work's lease runs out, and whoever
takes it next goes on with the stage that was noted last. The last stage replaces the index's chunks in the transaction
that notes it.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from functions.kit.clock import utc_now
from functions.kit.errors import (
    Conflict,
    DcoderError,
    DependencyUnavailable,
    InvalidRequest,
    NotFound,
    Unprocessable,
)
from functions.kit.subjects import DocumentFailed, DocumentIndexed, DocumentQueued
from functions.knowledge.core.ingest_ports import Begin, Ingestions, LeaseLost
from functions.knowledge.core.layout import corpus_folder, version_folder
from functions.knowledge.core.models import IndexStatus, Space, Stage, Work
from functions.knowledge.core.ports import Corpora, Events, Storage
from functions.knowledge.core.reasons import CannotIngest, NotNow, Reason
from functions.knowledge.core.stages import Stages

_STAGES = tuple(Stage)
_MOST_ATTEMPTS = 8
_SHORTEST_WAIT, _USUAL_WAIT, _LONGEST_WAIT = 2.0, 10.0, 3600.0
_LONGEST_LOOK = 300.0

_logger = logging.getLogger("dcoder.ingestion")


class IngestionWaits(DependencyUnavailable):
    """There is something left to do for a document, later."""

    code = "ingestion_waits"


@dataclass(frozen=True, slots=True)
class IngestionPolicy:
    """How long work is held, in seconds, without a sign of life."""

    lease_seconds: float = 30.0


class Ingest:
    """Does all there is to do for a document.

    Args:
        workshop: the folder in which each document gets one of its own.
    """

    def __init__(
        self,
        begin: Begin,
        ingestions: Ingestions,
        corpora: Corpora,
        *,
        stages: Stages,
        events: Events,
        policy: IngestionPolicy,
        workshop: Path,
    ) -> None:
        self._begin = begin
        self._ingestions = ingestions
        self._corpora = corpora
        self._stages = stages
        self._events = events
        self._policy = policy
        self._workshop = workshop

    async def __call__(self, space: Space, document_id: str) -> None:
        """Work until nothing is left, or nothing can be done now.

        Raises:
            IngestionWaits: something is left for later; its `retry_after` says when.
            DependencyUnavailable: what it needs is away.
        """
        is_queued = False
        while work := await self._take(space, document_id):
            is_queued |= await self._do(space, work)
        if is_queued:
            return
        async with self._begin():
            due = await self._ingestions.due_in(space, document_id)
        if due is not None:
            raise IngestionWaits("the document waits", retry_after=min(max(due, 0.5), _LONGEST_LOOK))

    async def _take(self, space: Space, document_id: str) -> Work | None:
        async with self._begin():
            work = await self._ingestions.take(space, document_id, self._policy.lease_seconds)
            if work and work.version.number < work.document.version:
                await self._ingestions.supersede(space, work)
        return work

    async def _do(self, space: Space, work: Work) -> bool:
        """Do some work; returns whether an event was sent by which it goes on later."""
        if work.version.number < work.document.version:
            return False
        try:
            if work.attempts > _MOST_ATTEMPTS:
                raise CannotIngest(Reason.GIVEN_UP, f"the stage {work.stage} broke off {_MOST_ATTEMPTS} times")
            await self._run(space, work)
        except LeaseLost:
            _logger.info("an ingestion went to somebody else", extra={"document": work.document.id})
            await self._stages.clear_if_gone(space, work)
        except CannotIngest as error:
            await self._fail(space, work, error)
        except NotNow as error:
            await self._postpone(space, work, error)
            return True
        except DependencyUnavailable as error:
            # Longer than an event is tried again. Where it cannot even be noted, the event is all there is.
            await self._postpone(space, work, NotNow(Reason.DEPENDENCY_UNAVAILABLE, error.message))
            return True
        except NotFound as error:
            await self._fail(
                space, work, CannotIngest(Reason.CONTENT_MISSING, f"an object of it is gone: {error.message}")
            )
        except (Conflict, InvalidRequest, Unprocessable) as error:
            # The index does not take it: embeddings of another length, say.
            await self._fail(space, work, CannotIngest(Reason.MODEL_REFUSED, error.message))
        except BaseException:
            # Nothing is known of the document: whoever comes next may go on at once.
            with suppress(DcoderError):
                await asyncio.shield(self._release(space, work))
            raise
        return False

    async def _run(self, space: Space, work: Work) -> None:
        with tempfile.TemporaryDirectory(dir=self._workshop) as name:
            folder = Path(name)
            async with self._holding(space, work):
                left = [stage for stage in _STAGES[_STAGES.index(work.stage) :] if _concerns(stage, work)]
                for stage, following in pairwise(left):
                    await self._stages.perform(stage, space, work, folder)
                    async with self._begin():
                        await self._ingestions.advance(space, work, following)
                await self._stages.fetch_chunks(space, work, folder)
            await self._index(space, work, folder)

    async def _index(self, space: Space, work: Work, folder: Path) -> None:
        """Put the chunks into the index. What holds the work now is the row's lock, for which a renewal would wait."""
        async with self._begin():
            work = await self._ingestions.hold(space, work)
            chunks = await self._stages.index(space, work, folder)
            await self._ingestions.finish(space, work, chunks)
            await self._switch_if_complete(space, work)
            indexed = DocumentIndexed(
                tenant_id=space.tenant_id,
                corpus_id=work.corpus.id,
                document_id=work.document.id,
                version=work.version.number,
                index_id=work.index.id,
                chunks=chunks,
            )
            self._events.publish(indexed, space)

    async def _switch_if_complete(self, space: Space, work: Work) -> None:
        """Let searches use an index that was built, once it has every document that the active one has."""
        if work.index.status is IndexStatus.ACTIVE:
            return
        # Of two that finish together the second waits here and then sees what the first has done.
        index = await self._corpora.find_index(space, work.index.id, lock=True)
        if index and index.status is IndexStatus.BUILDING and not await self._ingestions.lacks(space, index):
            await self._corpora.switch(space, index)

    async def _fail(self, space: Space, work: Work, error: CannotIngest) -> None:
        failed = DocumentFailed(
            tenant_id=space.tenant_id,
            corpus_id=work.corpus.id,
            document_id=work.document.id,
            version=work.version.number,
            index_id=work.index.id,
            reason=error.reason,
            detail=error.detail,
        )
        with suppress(LeaseLost):
            async with self._begin():
                await self._ingestions.fail(space, work, error.reason, error.detail)
                await self._switch_if_complete(space, work)
                self._events.publish(failed, space)

    async def _postpone(self, space: Space, work: Work, error: NotNow) -> None:
        """Try again later, under an event of its own: a dispatcher gives up on one that is refused for hours."""
        if error.most_waits is not None and work.waits >= error.most_waits:
            await self._fail(space, work, CannotIngest(error.reason, error.detail))
            return
        seconds = _USUAL_WAIT * 2.0 ** min(work.waits, 16) if error.seconds is None else error.seconds
        until = utc_now() + timedelta(seconds=min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT))
        queued = DocumentQueued(
            tenant_id=space.tenant_id, corpus_id=work.corpus.id, document_id=work.document.id, job_id=work.job_id
        )
        with suppress(LeaseLost):
            async with self._begin():
                await self._ingestions.postpone(space, work, error.reason, error.detail, until)
                self._events.publish(queued, space)

    async def _release(self, space: Space, work: Work) -> None:
        async with self._begin():
            await self._ingestions.release(space, work)

    @asynccontextmanager
    async def _holding(self, space: Space, work: Work) -> AsyncIterator[None]:
        """Renew the lease within the block, and break the block off when it is lost."""
        worker = asyncio.current_task()
        lost = False

        async def keep() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self._policy.lease_seconds / 3)
                try:
                    async with self._begin():
                        await self._ingestions.renew(space, work, self._policy.lease_seconds)
                except LeaseLost:
                    lost = True
                    if worker:
                        worker.cancel()
                    return
                except DependencyUnavailable as error:
                    _logger.warning("a lease could not be renewed", extra={"reason": error.message})

        keeping = asyncio.create_task(keep(), name="ingestion lease")
        try:
            yield
        except asyncio.CancelledError:
            if lost and worker:
                worker.uncancel()
                raise LeaseLost from None
            raise
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


def _concerns(stage: Stage, work: Work) -> bool:
    """Whether there is anything to do at a stage, which would be noted for nothing else."""
    return stage is not Stage.EMBED or work.index.settings.embedding_model is not None


class ClearObjects:
    """Removes the objects of what was deleted."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def __call__(self, space: Space, corpus_id: str, versions: list[str] | None) -> None:
        """Remove those of some versions, or of a whole corpus when none are named; sound to repeat."""
        files = self._storage.of(space)
        if versions is None:
            await files.remove(corpus_folder(corpus_id))
            return
        for version_id in versions:
            with suppress(NotFound):
                await files.remove(version_folder(corpus_id, version_id))
