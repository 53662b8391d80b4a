"""Indexes: another setting is another index, built beside the active one and switched to at once when it has all."""

from functions.kit.clock import utc_now
from functions.kit.cursors import id_in_cursor
from functions.kit.identifiers import new_id
from functions.kit.subjects import DocumentQueued
from functions.knowledge.core.access import Caller, readable_corpus, readable_index, sliced
from functions.knowledge.core.errors import IndexInUse
from functions.knowledge.core.models import Index, IndexSettings, IndexStatus, Job, Slice
from functions.knowledge.core.ports import ChunkStore, Corpora, Events, Jobs


class ManageIndexes:
    """Has indexes built, and removes them."""

    def __init__(self, corpora: Corpora, jobs: Jobs, chunks: ChunkStore, events: Events) -> None:
        self._corpora = corpora
        self._jobs = jobs
        self._chunks = chunks
        self._events = events

    async def create(self, caller: Caller, corpus_id: str, settings: IndexSettings) -> tuple[Index, Job]:
        """Begin to build an index; searches use the one before until this one has every document that has.

        Returns:
            the index, and the job that tells how far it is.

        Raises:
            CorpusNotFound: there is none, or not for the caller.
        """
        corpus = await readable_corpus(self._corpora, caller, corpus_id, lock=True)
        now = utc_now()
        index = Index(new_id(), corpus.id, settings, IndexStatus.BUILDING, None, now, None)
        job = Job(new_id(), corpus.id, index.id, "reindex", {}, caller.name, now, None)
        await self._corpora.add_index(caller.space, index)
        await self._jobs.add(caller.space, job)
        queued = await self._jobs.enqueue_all(caller.space, index, job.id, caller.behalf.fields())
        for document_id in queued:
            data = DocumentQueued(
                tenant_id=caller.space.tenant_id, corpus_id=corpus.id, document_id=document_id, job_id=job.id
            )
            self._events.publish(data, caller.space)
        if not queued:
            await self._corpora.switch(caller.space, index)
        return await readable_index(self._corpora, caller, index.id), job

    async def get(self, caller: Caller, index_id: str) -> tuple[Index, int]:
        """One index, and how many passages it has.

        Raises:
            IndexNotFound: there is none, or not for the caller.
        """
        index = await readable_index(self._corpora, caller, index_id)
        return index, await self._chunks.count(caller.space, index.id)

    async def page(self, caller: Caller, corpus_id: str | None, limit: int, cursor: str | None) -> Slice[Index]:
        """The caller's indexes, newest first.

        Raises:
            CorpusNotFound: one is named and there is none, or not for the caller.
        """
        if corpus_id is not None:
            await readable_corpus(self._corpora, caller, corpus_id)
        before = id_in_cursor(cursor)
        found = list(await self._corpora.indexes(caller.space, caller.reader, corpus_id, limit + 1, before))
        return sliced(found, limit, [index.id for index in found])

    async def remove(self, caller: Caller, index_id: str) -> None:
        """Remove an index that searches do not use; what is still being done for it ends.

        Raises:
            IndexNotFound: there is none, or not for the caller.
            IndexInUse: it is the active one.
        """
        index = await readable_index(self._corpora, caller, index_id, lock=True)
        if index.status is IndexStatus.ACTIVE:
            raise IndexInUse("searches use this index; build another, or remove the corpus")
        await self._chunks.drop_index(caller.space, index.id)
        await self._corpora.remove_index(caller.space, index.id)
