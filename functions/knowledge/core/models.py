"""What a corpus consists of. Times are aware and in UTC, sizes in bytes; positions count characters of parsed text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

ChunkKind = Literal["text", "code", "table", "image"]
Distance = Literal["cosine", "dot", "l2"]
ChunkStrategy = Literal["structure", "sentence", "fixed"]


@dataclass(frozen=True, slots=True)
class Space:
    """Where a tenant's knowledge is: its database, and the prefix of its objects."""

    tenant_id: str
    database: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, as far as access lists ask.

    Attributes:
        groups: ids of the groups that the caller is in.
        everything: whether access lists do not bind the caller, a tenant's admin.
    """

    groups: frozenset[str] = frozenset()
    everything: bool = False

    def may_read(self, *access_lists: Sequence[str]) -> bool:
        """Whether every access list lets the caller in; an empty one lets everybody of the tenant in."""
        return self.everything or all(not listed or not self.groups.isdisjoint(listed) for listed in access_lists)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A collection of documents that is searched as one.

    Attributes:
        groups: ids of the groups that may read it; empty for everybody of the tenant.
        active_index_id: the index that searches use.
    """

    id: str
    name: str
    description: str
    groups: Sequence[str]
    metadata: Mapping[str, Any]
    active_index_id: str | None
    created_by: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """How documents are cut.

    Attributes:
        strategy: along headings and paragraphs, by sentences, or after so many tokens wherever that is. Code is cut
            along its symbols by each of them.
        max_tokens: most tokens of a chunk, counted as words and punctuation marks.
        overlap_tokens: tokens at a chunk's beginning that are the former one's end.
    """

    strategy: ChunkStrategy = "structure"
    max_tokens: int = 256
    overlap_tokens: int = 32


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What an index is built by; another setting is another index.

    Attributes:
        embedding_model: as the gateway names it (`provider/model`); None for an index of words alone.
        caption_model: describes pictures; None where they are not indexed.
        language: of stemming and stop words, as ISO 639-1; `auto` asks each document.
    """

    chunking: ChunkSettings = field(default_factory=ChunkSettings)
    embedding_model: str | None = None
    caption_model: str | None = None
    language: str = "auto"
    distance: Distance = "cosine"


class IndexStatus(StrEnum):
    """An index is built beside the active one, takes its place, and is kept until it is removed."""

    BUILDING = "building"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Index:
    """A corpus as it is searched.

    Attributes:
        dimensions: length of the embeddings; None until the first is stored.
    """

    id: str
    corpus_id: str
    settings: IndexSettings
    status: IndexStatus
    dimensions: int | None
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a corpus; its content is that of its newest version.

    Attributes:
        name: unique within the corpus; a path for code.
        groups: ids of the groups that may read it besides what the corpus asks; empty for everybody of the tenant.
        version: number of the newest version, from 1.
    """

    id: str
    corpus_id: str
    name: str
    source_uri: str | None
    metadata: Mapping[str, Any]
    groups: Sequence[str]
    version: int
    created_by: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One content of a document.

    Attributes:
        content_hash: SHA-256 of the content as hex; None while it is not stored yet.
        size: in bytes; None while it is not stored yet.
    """

    id: str
    document_id: str
    number: int
    media_type: str
    content_hash: str | None
    size: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document's version, as it is searched and cited.

    Attributes:
        ordinal: place within the version, from 0.
        headings: the headings it is under, outermost first; the document's title is the first where there is one.
        char_start: where it begins in the version's parsed text; `char_end` is after its last character. The text
            between is exactly `text`.
        page: from 1, where the format has pages.
        line_start: from 1, for code; `line_end` is its last line.
        symbol: dotted name of the code's class or function.
        language: ISO 639-1 for text, the programming language for code.
        metadata: the document's, and what the chunk adds (imports of code).
        groups: the document's access list when the chunk was made; `documents.groups` is the truth.
    """

    id: str
    document_id: str
    version: int
    ordinal: int
    text: str
    kind: ChunkKind
    char_start: int
    char_end: int
    headings: Sequence[str] = ()
    path: str = ""
    symbol: str = ""
    line_start: int | None = None
    line_end: int | None = None
    page: int | None = None
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk with its embedding; None in an index of words alone."""

    chunk: Chunk
    vector: Sequence[float] | None


class Stage(StrEnum):
    """What is being done to a document's version for one index; each is finished once and for all."""

    STORE = "store"
    PARSE = "parse"
    CHUNK = "chunk"
    EMBED = "embed"
    INDEX = "index"


class Status(StrEnum):
    """How an ingestion stands. Those from `INDEXED` on are over."""

    AWAITING_UPLOAD = "awaiting_upload"
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    INDEXED = "indexed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Progress:
    """How a document's version stands in an index.

    Attributes:
        reason: stable code of what went wrong, or of what is waited for.
        detail: the same in words.
        retry_at: before then nothing is tried again.
        chunks: how many passages the index has of it.
    """

    status: Status
    stage: Stage | None = None
    reason: str | None = None
    detail: str | None = None
    retry_at: datetime | None = None
    chunks: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentState:
    """A document and how its newest version stands in the active index."""

    document: Document
    version: DocumentVersion | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """What a listing of documents is narrowed to.

    Attributes:
        prefix: how the name begins.
    """

    corpus_id: str | None = None
    status: Status | None = None
    prefix: str = ""
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Documents that are ingested together.

    Attributes:
        index_id: the index that is built; None where documents are added to all of a corpus.
        counts: how many documents there are of each status.
        waiting_for: reasons for which documents wait.
    """

    id: str
    corpus_id: str
    index_id: str | None
    kind: Literal["upload", "reindex"]
    counts: Mapping[Status, int]
    created_by: str | None
    created_at: datetime
    cancelled_at: datetime | None
    waiting_for: Sequence[str] = ()

    @property
    def status(self) -> Literal["running", "completed", "cancelled"]:
        """Completed is what has nothing left to do, failed documents or not."""
        if self.cancelled_at is not None:
            return "cancelled"
        open_ones = sum(self.counts.get(status, 0) for status in (Status.PENDING, Status.RUNNING, Status.WAITING))
        return "running" if open_ones else "completed"


@dataclass(frozen=True, slots=True)
class JobItem:
    """One document of a job."""

    document_id: str
    name: str
    version: int
    index_id: str
    progress: Progress
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """One document's version that this process alone ingests into one index, as long as its lease lasts.

    Attributes:
        lease: names this attempt; what an earlier one would still write is refused by it.
        attempts: how often the stage was begun; those that broke off and those that waited are counted apart.
        waits: how often it was waited for something.
        behalf: for whom the gateway is asked, as `functions.kit.service_tokens.OnBehalf` holds it.
    """

    corpus: Corpus
    document: Document
    version: DocumentVersion
    index: Index
    job_id: str | None
    lease: str
    stage: Stage
    attempts: int
    waits: int
    behalf: Mapping[str, Any]


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Slice(Generic[Item]):
    """One page of a listing; the cursor is None on the last."""

    items: Sequence[Item]
    next_cursor: str | None
