"""The context's things from the rows of the tenant's database, and the conditions that rows are read by."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from functions.knowledge.core.models import (
    ChunkSettings,
    Corpus,
    Document,
    DocumentVersion,
    Index,
    IndexSettings,
    IndexStatus,
    Progress,
    Stage,
    Status,
)


class Row(Protocol):
    """A row, or an object that was stored as JSON."""

    def __getitem__(self, key: str, /) -> Any:
        """The column of that name."""
        ...


CORPUS = """
    c.id::text, c.name, c.description, c.groups, c.metadata, c.active_index_id::text, c.created_by, c.created_at,
    c.updated_at
"""
INDEX = "x.id::text, x.corpus_id::text, x.settings, x.status, x.dimensions, x.created_at, x.activated_at"
DOCUMENT = """
    d.id::text, d.corpus_id::text, d.name, d.source_uri, d.metadata, d.groups, d.version, d.created_by, d.created_at,
    d.updated_at
"""
VERSION = """
    v.id::text AS version_id, v.number AS version_number, v.media_type, v.content_hash, v.size,
    v.created_at AS version_created_at
"""
PROGRESS = "i.status, i.stage, i.reason, i.detail, i.retry_at, i.chunks"


def readable(everything: int, groups: int, *tables: str) -> str:
    """The condition that access lists let a reader in; the numbers are those of the parameters."""
    lists = " AND ".join(f"({table}.groups = '{{}}' OR {table}.groups && ${groups}::text[])" for table in tables)
    return f"(${everything}::boolean OR {lists})"


def corpus_of(row: Row) -> Corpus:
    """From the columns `CORPUS`."""
    names = ("id", "name", "description", "groups", "metadata", "active_index_id")
    return Corpus(**{name: row[name] for name in (*names, "created_by", "created_at", "updated_at")})


def index_of(row: Row) -> Index:
    """From the columns `INDEX`."""
    return Index(
        row["id"],
        row["corpus_id"],
        settings_of(row["settings"]),
        IndexStatus(row["status"]),
        row["dimensions"],
        row["created_at"],
        row["activated_at"],
    )


def settings_of(fields: Mapping[str, Any]) -> IndexSettings:
    """From an index's stored settings; what later versions store besides is left out."""
    chunking = {key: value for key, value in fields["chunking"].items() if key in ChunkSettings.__dataclass_fields__}
    others = {key: value for key, value in fields.items() if key in IndexSettings.__dataclass_fields__}
    return IndexSettings(**{**others, "chunking": ChunkSettings(**chunking)})


def settings_fields(settings: IndexSettings) -> dict[str, Any]:
    """An index's settings as they are stored."""
    return asdict(settings)


def document_of(row: Row) -> Document:
    """From the columns `DOCUMENT`."""
    names = ("id", "corpus_id", "name", "source_uri", "metadata", "groups", "version")
    return Document(**{name: row[name] for name in (*names, "created_by", "created_at", "updated_at")})


def version_of(row: Row, document_id: str) -> DocumentVersion:
    """From the columns `VERSION`."""
    return DocumentVersion(
        row["version_id"],
        document_id,
        row["version_number"],
        row["media_type"],
        row["content_hash"],
        row["size"],
        row["version_created_at"],
    )


def progress_of(row: Row) -> Progress:
    """From the columns `PROGRESS`; without a status nothing was begun, because the content is not there yet."""
    if row["status"] is None:
        return Progress(Status.AWAITING_UPLOAD)
    return Progress(
        Status(row["status"]), Stage(row["stage"]), row["reason"], row["detail"], row["retry_at"], row["chunks"]
    )
