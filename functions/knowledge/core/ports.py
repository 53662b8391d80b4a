"""What the context needs from the outside. What is not said to happen at once belongs to the current unit of work."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from functions.kit.events import EventData
from functions.knowledge.core.models import (
    Corpus,
    Document,
    DocumentFilter,
    DocumentState,
    DocumentVersion,
    EmbeddedChunk,
    Index,
    IndexStatus,
    Job,
    JobItem,
    Reader,
    Space,
    Status,
)


class Events(Protocol):
    """The event bus, as far as a use case sees it."""

    def publish(self, data: EventData, space: Space) -> None:
        """Say it if and only if the unit of work on the tenant's database commits."""
        ...


class Corpora(Protocol):
    """A tenant's corpora and their indexes."""

    async def add(self, space: Space, corpus: Corpus) -> None:
        """Enter a corpus.

        Raises:
            CorpusNameTaken: another has the name.
        """
        ...

    async def find(self, space: Space, corpus_id: str, *, lock: bool = False) -> Corpus | None:
        """The corpus; locked, nobody else adds to it or changes it until the unit of work ends."""
        ...

    async def page(self, space: Space, reader: Reader, limit: int, before: str | None) -> Sequence[Corpus]:
        """The corpora that a reader may read, newest first."""
        ...

    async def change(self, space: Space, corpus: Corpus) -> Corpus:
        """Store all of a corpus that can change; gives it with the time of the change.

        Raises:
            CorpusNameTaken: another has the name.
        """
        ...

    async def remove(self, space: Space, corpus_id: str) -> None:
        """Remove a corpus with its documents, indexes and jobs."""
        ...

    async def add_index(self, space: Space, index: Index) -> None:
        """Enter an index."""
        ...

    async def find_index(self, space: Space, index_id: str, *, lock: bool = False) -> Index | None:
        """The index; locked, nobody else changes its status until the unit of work ends."""
        ...

    async def indexes(
        self, space: Space, reader: Reader, corpus_id: str | None, limit: int, before: str | None
    ) -> Sequence[Index]:
        """The indexes of the corpora that a reader may read, newest first; of one corpus when given."""
        ...

    async def live_indexes(self, space: Space, corpus_id: str) -> Sequence[Index]:
        """The active index, and those that are being built."""
        ...

    async def switch(self, space: Space, index: Index) -> None:
        """Make an index the one that searches use, and retire the one before."""
        ...

    async def set_status(self, space: Space, index_id: str, status: IndexStatus) -> None:
        """Note how an index stands."""
        ...

    async def set_dimensions(self, space: Space, index_id: str, dimensions: int) -> None:
        """Note the length of an index's embeddings, unless it is known."""
        ...

    async def remove_index(self, space: Space, index_id: str) -> None:
        """Remove an index and what is left to do for it."""
        ...


class Documents(Protocol):
    """A tenant's documents and their versions."""

    async def find(self, space: Space, document_id: str, *, lock: bool = False) -> DocumentState | None:
        """The document; locked, nobody else changes or removes it until the unit of work ends."""
        ...

    async def named(self, space: Space, corpus_id: str, name: str) -> DocumentState | None:
        """The corpus's document of that name."""
        ...

    async def with_content(
        self, space: Space, corpus_id: str, content_hash: str, groups: Sequence[str]
    ) -> DocumentState | None:
        """A document of the corpus whose newest version has that content, under the same access list."""
        ...

    async def page(
        self, space: Space, reader: Reader, wanted: DocumentFilter, limit: int, before: str | None
    ) -> Sequence[DocumentState]:
        """The documents that a reader may read, newest first."""
        ...

    async def add(self, space: Space, document: Document) -> None:
        """Enter a document."""
        ...

    async def change(self, space: Space, document: Document) -> Document:
        """Store all of a document that can change; gives it with the time of the change."""
        ...

    async def remove(self, space: Space, document_id: str) -> Sequence[str]:
        """Remove a document; returns the ids of its versions."""
        ...

    async def add_version(self, space: Space, version: DocumentVersion) -> DocumentVersion:
        """Enter a version under the next number; gives it with that."""
        ...

    async def find_version(self, space: Space, version_id: str) -> DocumentVersion | None:
        """The version."""
        ...

    async def versions(self, space: Space, document_id: str) -> Sequence[DocumentVersion]:
        """A document's versions, newest first."""
        ...

    async def note_content(self, space: Space, version_id: str, content_hash: str, size: int) -> None:
        """Enter what a version turned out to hold."""
        ...


class Jobs(Protocol):
    """What is being ingested, together and one by one."""

    async def add(self, space: Space, job: Job) -> None:
        """Enter a job."""
        ...

    async def find(self, space: Space, job_id: str) -> Job | None:
        """The job with its counts."""
        ...

    async def page(
        self, space: Space, reader: Reader, corpus_id: str | None, limit: int, before: str | None
    ) -> Sequence[Job]:
        """The jobs on corpora that a reader may read, newest first."""
        ...

    async def items(
        self,
        space: Space,
        reader: Reader,
        job_id: str,
        *,
        status: Status | None,
        limit: int,
        after: tuple[str, str] | None,
    ) -> Sequence[JobItem]:
        """A job's documents that a reader may read, in the order of document and index."""
        ...

    async def cancel(self, space: Space, job_id: str) -> None:
        """End all of a job that is not over."""
        ...

    async def enqueue(
        self,
        space: Space,
        version: DocumentVersion,
        indexes: Sequence[Index],
        job_id: str | None,
        behalf: Mapping[str, Any],
    ) -> None:
        """Have a version ingested into the indexes, from the start when it was before.

        Args:
            behalf: for whom the gateway is asked.
        """
        ...

    async def enqueue_all(self, space: Space, index: Index, job_id: str, behalf: Mapping[str, Any]) -> Sequence[str]:
        """Have the newest version of each document of the index's corpus ingested into it; returns document ids."""
        ...

    async def retry(self, space: Space, *, job_id: str | None = None, document_id: str | None = None) -> Sequence[str]:
        """Have what failed or was cancelled, of a job or of a document's newest version, done again.

        Returns:
            ids of the documents.
        """
        ...


class ChunkStore(Protocol):
    """The chunks of a tenant's indexes, ready to be searched."""

    async def replace_document(
        self,
        space: Space,
        index: Index,
        document: Document,
        version: DocumentVersion,
        batches: AsyncIterator[Sequence[EmbeddedChunk]],
    ) -> int:
        """Make these chunks all that the index has of the document, whichever version it had; sound to repeat.

        Args:
            batches: in order of their ordinals; read once and never held as a whole.

        Returns:
            How many chunks there are now.
        """
        ...

    async def describe_document(self, space: Space, document: Document) -> None:
        """Take over a document's name, metadata and access list into every index that has it."""
        ...

    async def remove_document(self, space: Space, document_id: str) -> None:
        """Remove a document's chunks from every index; sound to repeat."""
        ...

    async def drop_index(self, space: Space, index_id: str) -> None:
        """Remove an index's chunks and all that belongs to them; sound to repeat."""
        ...

    async def count(self, space: Space, index_id: str) -> int:
        """How many chunks an index has."""
        ...


class Files(Protocol):
    """A tenant's objects. Each call takes effect at once."""

    async def put(self, key: str, body: bytes | AsyncIterator[bytes]) -> None:
        """Store an object, whole or not at all."""
        ...

    async def get(self, key: str) -> bytes:
        """An object's bytes.

        Raises:
            NotFound: there is none.
        """
        ...

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces.

        Raises:
            NotFound: there is none.
        """
        ...

    async def size(self, key: str) -> int:
        """An object's size in bytes.

        Raises:
            NotFound: there is none.
        """
        ...

    async def remove(self, key: str) -> None:
        """Remove an object, and all whose keys begin with it as a folder; sound to repeat."""
        ...

    async def upload_link(self, key: str, seconds: int) -> str:
        """An address to which whoever knows it may PUT the object, for so long."""
        ...


class Storage(Protocol):
    """The object store."""

    def of(self, space: Space) -> Files:
        """One tenant's objects; no key leads out of them."""
        ...
