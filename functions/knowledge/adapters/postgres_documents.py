"""Documents and their versions in the tenant's database."""

from collections.abc import Sequence
from dataclasses import replace

from functions.kit.database import connection
from functions.knowledge.adapters.rows import (
    DOCUMENT,
    PROGRESS,
    VERSION,
    Row,
    document_of,
    progress_of,
    readable,
    version_of,
)
from functions.knowledge.core.errors import DocumentNotFound
from functions.knowledge.core.models import Document, DocumentFilter, DocumentState, DocumentVersion, Reader, Space

_STATES = f"""
    SELECT {DOCUMENT}, {VERSION}, {PROGRESS}
    FROM documents d JOIN corpora c ON c.id = d.corpus_id
    LEFT JOIN document_versions v ON v.document_id = d.id AND v.number = d.version
    LEFT JOIN ingestions i ON i.version_id = v.id AND i.index_id = c.active_index_id
"""  # noqa: S608
_ADD = """
    INSERT INTO documents
        (id, corpus_id, name, source_uri, metadata, groups, version, created_by, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
"""
_CHANGE = """
    UPDATE documents SET source_uri = $2, metadata = $3, groups = $4, version = $5, updated_at = clock_timestamp()
    WHERE id = $1 RETURNING updated_at
"""
_REMOVE = """
    WITH removed AS (DELETE FROM documents WHERE id = $1 RETURNING id)
    SELECT v.id::text FROM document_versions v JOIN removed ON removed.id = v.document_id ORDER BY v.number
"""
_ADD_VERSION = """
    INSERT INTO document_versions (id, document_id, number, media_type, content_hash, size, created_at)
    SELECT $1, $2, 1 + coalesce(max(number), 0), $3, $4, $5, $6 FROM document_versions WHERE document_id = $2
    RETURNING number
"""
_VERSIONS = f"SELECT {VERSION} FROM document_versions v WHERE v.document_id = $1 ORDER BY v.number DESC"  # noqa: S608
_FIND_VERSION = f"SELECT {VERSION}, v.document_id::text FROM document_versions v WHERE v.id = $1"  # noqa: S608
_NOTE = "UPDATE document_versions SET content_hash = $2, size = $3 WHERE id = $1"


class PostgresDocuments:
    """Port `Documents`."""

    async def find(self, space: Space, document_id: str, *, lock: bool = False) -> DocumentState | None:
        """The document."""
        query = f"{_STATES} WHERE d.id = $1 {'FOR NO KEY UPDATE OF d' if lock else ''}"
        row = await (await connection(space.database)).fetchrow(query, document_id)
        return _state(row) if row else None

    async def named(self, space: Space, corpus_id: str, name: str) -> DocumentState | None:
        """The corpus's document of that name."""
        query = f"{_STATES} WHERE d.corpus_id = $1 AND d.name = $2"
        row = await (await connection(space.database)).fetchrow(query, corpus_id, name)
        return _state(row) if row else None

    async def with_content(
        self, space: Space, corpus_id: str, content_hash: str, groups: Sequence[str]
    ) -> DocumentState | None:
        """A document of the corpus whose newest version has that content, under the same access list."""
        query = f"""
            {_STATES}
            WHERE d.corpus_id = $1 AND v.content_hash = $2 AND d.groups @> $3::text[] AND d.groups <@ $3::text[]
            ORDER BY d.id LIMIT 1
        """
        row = await (await connection(space.database)).fetchrow(query, corpus_id, content_hash, list(groups))
        return _state(row) if row else None

    async def page(
        self, space: Space, reader: Reader, wanted: DocumentFilter, limit: int, before: str | None
    ) -> Sequence[DocumentState]:
        """The documents that a reader may read, newest first."""
        query = f"""
            {_STATES}
            WHERE {readable(1, 2, "c", "d")} AND ($3::uuid IS NULL OR d.corpus_id = $3)
              AND ($4::text IS NULL OR coalesce(i.status, 'awaiting_upload') = $4) AND starts_with(d.name, $5)
              AND ($6::text IS NULL OR v.content_hash = $6) AND ($7::uuid IS NULL OR d.id < $7)
            ORDER BY d.id DESC LIMIT $8
        """
        rows = await (await connection(space.database)).fetch(
            query,
            reader.everything,
            list(reader.groups),
            wanted.corpus_id,
            wanted.status,
            wanted.prefix,
            wanted.content_hash,
            before,
            limit,
        )
        return [_state(row) for row in rows]

    async def add(self, space: Space, document: Document) -> None:
        """Enter a document."""
        await (await connection(space.database)).execute(
            _ADD,
            document.id,
            document.corpus_id,
            document.name,
            document.source_uri,
            document.metadata,
            list(document.groups),
            document.version,
            document.created_by,
            document.created_at,
        )

    async def change(self, space: Space, document: Document) -> Document:
        """Store all of a document that can change."""
        changed = await (await connection(space.database)).fetchval(
            _CHANGE, document.id, document.source_uri, document.metadata, list(document.groups), document.version
        )
        if changed is None:
            raise DocumentNotFound("there is no such document")
        return replace(document, updated_at=changed)

    async def remove(self, space: Space, document_id: str) -> Sequence[str]:
        """Remove a document; returns the ids of its versions."""
        rows = await (await connection(space.database)).fetch(_REMOVE, document_id)
        return [row["id"] for row in rows]

    async def add_version(self, space: Space, version: DocumentVersion) -> DocumentVersion:
        """Enter a version under the next number."""
        number = await (await connection(space.database)).fetchval(
            _ADD_VERSION,
            version.id,
            version.document_id,
            version.media_type,
            version.content_hash,
            version.size,
            version.created_at,
        )
        return replace(version, number=number)

    async def find_version(self, space: Space, version_id: str) -> DocumentVersion | None:
        """The version."""
        row = await (await connection(space.database)).fetchrow(_FIND_VERSION, version_id)
        return version_of(row, row["document_id"]) if row else None

    async def versions(self, space: Space, document_id: str) -> Sequence[DocumentVersion]:
        """A document's versions, newest first."""
        rows = await (await connection(space.database)).fetch(_VERSIONS, document_id)
        return [version_of(row, document_id) for row in rows]

    async def note_content(self, space: Space, version_id: str, content_hash: str, size: int) -> None:
        """Enter what a version turned out to hold."""
        await (await connection(space.database)).execute(_NOTE, version_id, content_hash, size)


def _state(row: Row) -> DocumentState:
    document = document_of(row)
    version = version_of(row, document.id) if row["version_id"] else None
    return DocumentState(document, version, progress_of(row))
