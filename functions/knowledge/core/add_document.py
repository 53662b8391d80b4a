"""Adding a document: its content now, by an upload of its own, or from an address; the same content only once."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from functions.kit.clock import utc_now
from functions.kit.errors import NotFound
from functions.kit.identifiers import new_id
from functions.kit.subjects import DocumentUploaded
from functions.knowledge.core.access import Caller, readable_corpus, readable_document, readable_job
from functions.knowledge.core.errors import (
    DocumentNameTaken,
    DocumentTooLarge,
    JobCancelled,
    JobNotFound,
    UploadMissing,
)
from functions.knowledge.core.layout import original_key
from functions.knowledge.core.models import Corpus, Document, DocumentState, DocumentVersion
from functions.knowledge.core.ports import Corpora, Documents, Events, Jobs, Storage


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that is to be added.

    Attributes:
        name: a document of that name gets a new version instead.
        media_type: what the caller says it is; empty to find out.
        source_uri: where the content is fetched from, if it is not given.
        job_id: the job that it belongs to.
    """

    corpus_id: str
    name: str
    media_type: str = ""
    metadata: Mapping[str, Any] | None = None
    groups: Sequence[str] | None = None
    source_uri: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What came of it.

    Attributes:
        deduplicated: the corpus had this content already, under the same access list; nothing was added.
    """

    state: DocumentState
    deduplicated: bool


@dataclass(frozen=True, slots=True)
class UploadLink:
    """Where the content is to be PUT, and until when."""

    state: DocumentState
    version: DocumentVersion
    url: str
    seconds: int


@dataclass(frozen=True, slots=True)
class _Content:
    hash: str
    size: int


class AddDocument:
    """Adds documents, and new versions of documents.

    Args:
        most_bytes: largest document.
        link_seconds: how long an upload's address is good.
    """

    def __init__(
        self,
        corpora: Corpora,
        documents: Documents,
        jobs: Jobs,
        *,
        storage: Storage,
        events: Events,
        most_bytes: int,
        link_seconds: int,
    ) -> None:
        self._corpora = corpora
        self._documents = documents
        self._jobs = jobs
        self._storage = storage
        self._events = events
        self._most_bytes = most_bytes
        self._link_seconds = link_seconds

    async def with_content(self, caller: Caller, wanted: NewDocument, body: AsyncIterator[bytes]) -> Added:
        """Add a document whose content is at hand.

        Raises:
            CorpusNotFound, JobNotFound: there is none, or not for the caller.
            DocumentTooLarge: it is larger than documents may be.
            DocumentNameTaken: the caller may not see the document of that name.
        """
        corpus = await self._check(caller, wanted)
        version = self._version(wanted)
        key, files = original_key(corpus.id, version.id), self._storage.of(caller.space)
        measured = _Measured(body, self._most_bytes)
        # Stored first, so that no row ever speaks of content that is not there.
        await files.put(key, measured)
        content = measured.content()
        try:
            added = await self._enter(caller, wanted, replace(version, content_hash=content.hash, size=content.size))
        except BaseException:
            await files.remove(key)
            raise
        if added.deduplicated:
            await files.remove(key)
        return added

    async def from_address(self, caller: Caller, wanted: NewDocument) -> Added:
        """Add a document that ingestion fetches from its `source_uri`, which was checked before.

        Raises:
            CorpusNotFound, JobNotFound: there is none, or not for the caller.
            DocumentNameTaken: the caller may not see the document of that name.
        """
        await self._check(caller, wanted)
        return await self._enter(caller, wanted, self._version(wanted))

    async def by_upload(self, caller: Caller, wanted: NewDocument) -> UploadLink:
        """Prepare a document whose content the caller then PUTs to the address; `complete` ends it.

        Raises:
            CorpusNotFound, JobNotFound: there is none, or not for the caller.
            DocumentNameTaken: the caller may not see the document of that name.
        """
        corpus = await self._check(caller, wanted)
        await readable_corpus(self._corpora, caller, corpus.id, lock=True)
        document = await self._document(caller, wanted)
        version = await self._documents.add_version(
            caller.space, replace(self._version(wanted), document_id=document.id)
        )
        url = await self._storage.of(caller.space).upload_link(original_key(corpus.id, version.id), self._link_seconds)
        return UploadLink(await self._state(caller, document.id), version, url, self._link_seconds)

    async def complete(self, caller: Caller, document_id: str, version_id: str, job_id: str | None) -> DocumentState:
        """Go on with a document whose content was sent to the upload's address; sound to repeat.

        Raises:
            DocumentNotFound, JobNotFound: there is none, or not for the caller.
            UploadMissing: nothing was sent there, or no upload of that version was begun.
            DocumentTooLarge: it is larger than documents may be.
        """
        state = await readable_document(self._corpora, self._documents, caller, document_id, lock=True)
        document = state.document
        version = await self._documents.find_version(caller.space, version_id)
        if version is None or version.document_id != document.id:
            raise UploadMissing("no upload of this version was begun")
        if version.number <= document.version:
            return state
        files, key = self._storage.of(caller.space), original_key(document.corpus_id, version.id)
        try:
            size = await files.size(key)
        except NotFound as error:
            raise UploadMissing("nothing was sent to the upload's address yet") from error
        if size > self._most_bytes:
            await files.remove(key)
            raise _too_large(self._most_bytes)
        if job_id is not None:
            await self._open_job(caller, job_id, document.corpus_id)
        await self._documents.change(caller.space, replace(document, version=version.number))
        await self._begin(caller, document, version, job_id)
        return await self._state(caller, document.id)

    async def _check(self, caller: Caller, wanted: NewDocument) -> Corpus:
        corpus = await readable_corpus(self._corpora, caller, wanted.corpus_id)
        if wanted.job_id is not None:
            await self._open_job(caller, wanted.job_id, corpus.id)
        return corpus

    async def _open_job(self, caller: Caller, job_id: str, corpus_id: str) -> None:
        job = await readable_job(self._corpora, self._jobs, caller, job_id)
        if job.corpus_id != corpus_id:
            raise JobNotFound("the corpus has no such job")
        if job.status == "cancelled":
            raise JobCancelled("the job was cancelled")

    async def _enter(self, caller: Caller, wanted: NewDocument, version: DocumentVersion) -> Added:
        # Who adds to a corpus holds it: two requests with the same name or content come one after the other.
        await readable_corpus(self._corpora, caller, wanted.corpus_id, lock=True)
        if version.content_hash and (known := await self._known(caller, wanted, version.content_hash)):
            return Added(known, deduplicated=True)
        document = await self._document(caller, wanted)
        entered = await self._documents.add_version(caller.space, replace(version, document_id=document.id))
        document = replace(document, version=entered.number, source_uri=wanted.source_uri)
        await self._documents.change(caller.space, document)
        await self._begin(caller, document, entered, wanted.job_id)
        return Added(await self._state(caller, document.id), deduplicated=False)

    async def _known(self, caller: Caller, wanted: NewDocument, content_hash: str) -> DocumentState | None:
        named = await self._documents.named(caller.space, wanted.corpus_id, wanted.name)
        if named is None:
            groups = wanted.groups or ()
            alike = await self._documents.with_content(caller.space, wanted.corpus_id, content_hash, groups)
            return alike if alike and caller.reader.may_read(alike.document.groups) else None
        same = named.version is not None and named.version.content_hash == content_hash
        told = wanted.groups is None or sorted(wanted.groups) == sorted(named.document.groups)
        described = wanted.metadata is None or wanted.metadata == named.document.metadata
        return named if same and told and described and caller.reader.may_read(named.document.groups) else None

    async def _document(self, caller: Caller, wanted: NewDocument) -> Document:
        """The document of that name, described anew where the caller says something; otherwise a new one."""
        named = await self._documents.named(caller.space, wanted.corpus_id, wanted.name)
        if named is None:
            now = utc_now()
            document = Document(
                id=new_id(),
                corpus_id=wanted.corpus_id,
                name=wanted.name,
                source_uri=wanted.source_uri,
                metadata=wanted.metadata or {},
                groups=wanted.groups or (),
                version=0,
                created_by=caller.name,
                created_at=now,
                updated_at=now,
            )
            await self._documents.add(caller.space, document)
            return document
        if not caller.reader.may_read(named.document.groups):
            raise DocumentNameTaken("the corpus has a document of this name that you may not replace")
        document = named.document
        return await self._documents.change(
            caller.space,
            replace(
                document,
                metadata=document.metadata if wanted.metadata is None else wanted.metadata,
                groups=document.groups if wanted.groups is None else wanted.groups,
            ),
        )

    async def _begin(self, caller: Caller, document: Document, version: DocumentVersion, job_id: str | None) -> None:
        indexes = await self._corpora.live_indexes(caller.space, document.corpus_id)
        await self._jobs.enqueue(caller.space, version, indexes, job_id, caller.behalf.fields())
        uploaded = DocumentUploaded(
            tenant_id=caller.space.tenant_id, corpus_id=document.corpus_id, document_id=document.id, job_id=job_id
        )
        self._events.publish(uploaded, caller.space)

    async def _state(self, caller: Caller, document_id: str) -> DocumentState:
        return await readable_document(self._corpora, self._documents, caller, document_id)

    @staticmethod
    def _version(wanted: NewDocument) -> DocumentVersion:
        return DocumentVersion(new_id(), "", 0, wanted.media_type, None, None, utc_now())


class _Measured:
    """Passes content on, counted and hashed."""

    def __init__(self, body: AsyncIterator[bytes], most_bytes: int) -> None:
        self._body = body
        self._most_bytes = most_bytes
        self._digest = hashlib.sha256()
        self._size = 0

    def __aiter__(self) -> "_Measured":
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._body)
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise _too_large(self._most_bytes)
        self._digest.update(piece)
        return piece

    def content(self) -> _Content:
        """What was passed on."""
        return _Content(self._digest.hexdigest(), self._size)


def _too_large(most_bytes: int) -> DocumentTooLarge:
    return DocumentTooLarge(
        f"a document may have {most_bytes} bytes; larger ones are to be split", details={"limitBytes": most_bytes}
    )
