"""Documents: added with their content or where it is, found, described, removed."""

import codecs
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from functions.kit.cursors import id_in_cursor
from functions.kit.errors import NotFound
from functions.kit.subjects import DocumentDeleted, DocumentQueued
from functions.knowledge.core.access import Caller, readable_corpus, readable_document, sliced
from functions.knowledge.core.errors import DocumentNotFound, TextNotReady
from functions.knowledge.core.layout import text_key
from functions.knowledge.core.models import Document, DocumentFilter, DocumentState, DocumentVersion, Slice
from functions.knowledge.core.ports import ChunkStore, Corpora, Documents, Events, Jobs, Storage


class DocumentChanges(TypedDict, total=False):
    """What of a document is to change."""

    metadata: Mapping[str, Any]
    groups: Sequence[str]


class ManageDocuments:
    """Finds, describes, removes and repeats documents."""

    def __init__(
        self,
        corpora: Corpora,
        documents: Documents,
        jobs: Jobs,
        *,
        chunks: ChunkStore,
        storage: Storage,
        events: Events,
    ) -> None:
        self._corpora = corpora
        self._documents = documents
        self._jobs = jobs
        self._chunks = chunks
        self._storage = storage
        self._events = events

    async def get(self, caller: Caller, document_id: str) -> DocumentState:
        """One document.

        Raises:
            DocumentNotFound: there is none, or not for the caller.
        """
        return await readable_document(self._corpora, self._documents, caller, document_id)

    async def page(
        self, caller: Caller, wanted: DocumentFilter, limit: int, cursor: str | None
    ) -> Slice[DocumentState]:
        """The caller's documents, newest first.

        Raises:
            CorpusNotFound: one is named and there is none, or not for the caller.
        """
        if wanted.corpus_id is not None:
            await readable_corpus(self._corpora, caller, wanted.corpus_id)
        before = id_in_cursor(cursor)
        found = list(await self._documents.page(caller.space, caller.reader, wanted, limit + 1, before))
        return sliced(found, limit, [state.document.id for state in found])

    async def versions(self, caller: Caller, document_id: str) -> Sequence[DocumentVersion]:
        """A document's versions, newest first.

        Raises:
            DocumentNotFound: there is none, or not for the caller.
        """
        state = await readable_document(self._corpora, self._documents, caller, document_id)
        return await self._documents.versions(caller.space, state.document.id)

    async def text(
        self, caller: Caller, document_id: str, *, number: int | None = None, start: int = 0, end: int | None = None
    ) -> str:
        """Part of a version's parsed text: what a citation's `charStart` and `charEnd` point into.

        Args:
            number: of the version; None for the newest.

        Raises:
            DocumentNotFound: there is none, or not for the caller, or it has no such version.
            TextNotReady: it was not parsed yet, or cannot be.
        """
        state = await readable_document(self._corpora, self._documents, caller, document_id)
        wanted = number or state.document.version
        versions = await self._documents.versions(caller.space, state.document.id)
        version = next((each for each in versions if each.number == wanted), None)
        if version is None:
            raise DocumentNotFound("the document has no such version")
        stored = self._storage.of(caller.space).stream(text_key(state.document.corpus_id, version.id))
        try:
            return await _part(stored, start, end)
        except NotFound as error:
            raise TextNotReady("the document was not read yet; its status says why") from error

    async def change(self, caller: Caller, document_id: str, changes: DocumentChanges) -> DocumentState:
        """Change what is given; searches obey it at once, without indexing anew.

        Raises:
            DocumentNotFound: there is none, or not for the caller.
        """
        state = await readable_document(self._corpora, self._documents, caller, document_id, lock=True)
        changed = await self._documents.change(caller.space, replace(state.document, **changes))
        await self._chunks.describe_document(caller.space, changed)
        return replace(state, document=changed)

    async def remove(self, caller: Caller, document_id: str) -> None:
        """Remove a document from every index; its objects go soon after.

        Raises:
            DocumentNotFound: there is none, or not for the caller.
        """
        state = await readable_document(self._corpora, self._documents, caller, document_id, lock=True)
        document = state.document
        await self._chunks.remove_document(caller.space, document.id)
        versions = await self._documents.remove(caller.space, document.id)
        deleted = DocumentDeleted(
            tenant_id=caller.space.tenant_id,
            corpus_id=document.corpus_id,
            document_id=document.id,
            versions=list(versions),
        )
        self._events.publish(deleted, caller.space)

    async def retry(self, caller: Caller, document_id: str) -> DocumentState:
        """Have a document that failed done again.

        Raises:
            DocumentNotFound: there is none, or not for the caller.
        """
        state = await readable_document(self._corpora, self._documents, caller, document_id, lock=True)
        if await self._jobs.retry(caller.space, document_id=state.document.id):
            self._events.publish(queued(caller, state.document, None), caller.space)
        return await readable_document(self._corpora, self._documents, caller, document_id)


async def _part(pieces: AsyncIterator[bytes], start: int, end: int | None) -> str:
    """Characters of a text in UTF-8, of which no more is held than is wanted and a piece."""
    decoder, passed, parts = codecs.getincrementaldecoder("utf-8")(), 0, list[str]()
    async for piece in pieces:
        text = decoder.decode(piece)
        parts.append(text[max(0, start - passed) : None if end is None else max(0, end - passed)])
        passed += len(text)
        if end is not None and passed >= end:
            break
    return "".join(parts)


def queued(caller: Caller, document: Document, job_id: str | None) -> DocumentQueued:
    """The event that has a document done again."""
    return DocumentQueued(
        tenant_id=caller.space.tenant_id, corpus_id=document.corpus_id, document_id=document.id, job_id=job_id
    )
