"""Chunks in a tenant's database: written and removed within the current unit of work."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np

from functions.kit.database import Connection, connection
from functions.knowledge.adapters import postgres_segments
from functions.knowledge.core.code_text import looks_like_code
from functions.knowledge.core.errors import EmbeddingsDiffer
from functions.knowledge.core.filters import attributes
from functions.knowledge.core.models import Chunk, Distance, Document, DocumentVersion, EmbeddedChunk, Index, Space
from functions.knowledge.core.searchable import analysis_language, chunk_terms

_PLACE = ("char_start", "char_end", "headings", "path", "symbol", "line_start", "line_end", "page")
# Two deliveries of one document wait for each other; others do not.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1 || $2, 0))"
_NUMBERS = "SELECT nextval(pg_get_serial_sequence('chunks', 'number')) FROM generate_series(1, $1)"
_ADD = """
    INSERT INTO chunks
        (index_id, document_id, version, number, id, ordinal, kind, language, length, text, place, metadata,
         is_code)
    SELECT $1, $2, $3, * FROM unnest(
        $4::bigint[], $5::uuid[], $6::int[], $7::text[], $8::text[], $9::int[], $10::text[], $11::jsonb[], $12::jsonb[],
        $13::boolean[]
    )
"""
_ADD_VECTORS = """
    INSERT INTO chunk_vectors (index_id, distance, number, embedding)
    SELECT $1, $2, number, embedding::halfvec FROM unnest($3::bigint[], $4::text[]) AS v(number, embedding)
"""
_REMOVE = """
    DELETE FROM chunks WHERE document_id = $1 AND ($2::uuid IS NULL OR index_id = $2) RETURNING index_id, number, length
"""
# The row is only written once: writers would wait for each other at it.
_DIMENSIONS = "SELECT dimensions FROM indexes WHERE id = $1"
_SET_DIMENSIONS = """
    UPDATE indexes SET dimensions = coalesce(dimensions, $2) WHERE id = $1 RETURNING dimensions
"""
_DESCRIBE = """
    INSERT INTO document_attributes (document_id, key, text, number)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::float8[])
"""
_EMPTY = ("postings", "removals", "segments", "chunk_vectors", "chunks")


class PostgresChunkStore:
    """The tables `chunks`, `chunk_vectors`, `postings` and those around them."""

    async def replace_document(
        self,
        space: Space,
        index: Index,
        document: Document,
        version: DocumentVersion,
        batches: AsyncIterator[Sequence[EmbeddedChunk]],
    ) -> int:
        """Make these chunks all that the index has of the document, whichever version it had; sound to repeat.

        Raises:
            EmbeddingsDiffer: the embeddings are not as long as those that the index has.
        """
        database = await connection(space.database)
        await database.execute(_LOCK, index.id, document.id)
        await _remove(database, document.id, index.id)
        await self.describe_document(space, document)
        count = 0
        async for batch in batches:
            if batch:
                await _add(database, index, version, batch)
                count += len(batch)
        await postgres_segments.tidy(database, index.id)
        return count

    async def describe_document(self, space: Space, document: Document) -> None:
        """Take over a document's metadata; name and access list are read from the document itself."""
        database = await connection(space.database)
        rows = [(key, value) for key, values in attributes(document.metadata).items() for value in values]
        await database.execute("DELETE FROM document_attributes WHERE document_id = $1", document.id)
        await database.execute(
            _DESCRIBE,
            document.id,
            [key for key, _ in rows],
            [value if isinstance(value, str) else None for _, value in rows],
            [value if isinstance(value, float) else None for _, value in rows],
        )

    async def remove_document(self, space: Space, document_id: str) -> None:
        """Remove a document's chunks from every index; sound to repeat."""
        await _remove(await connection(space.database), document_id, None)

    async def drop_index(self, space: Space, index_id: str) -> None:
        """Remove an index's chunks and all that belongs to them; sound to repeat."""
        database = await connection(space.database)
        for table in _EMPTY:
            await database.execute(f"DELETE FROM {table} WHERE index_id = $1", index_id)  # noqa: S608 - our own names

    async def count(self, space: Space, index_id: str) -> int:
        """How many chunks an index has."""
        database = await connection(space.database)
        return int(await database.fetchval("SELECT count(*) FROM chunks WHERE index_id = $1", index_id))


async def _add(database: Connection, index: Index, version: DocumentVersion, batch: Sequence[EmbeddedChunk]) -> None:
    numbers = [int(row[0]) for row in await database.fetch(_NUMBERS, len(batch))]
    chunks = [embedded.chunk for embedded in batch]
    terms = [chunk_terms(chunk, index.settings) for chunk in chunks]
    await database.execute(
        _ADD, index.id, version.document_id, version.number, numbers,
        [chunk.id for chunk in chunks], [chunk.ordinal for chunk in chunks], [chunk.kind for chunk in chunks],
        [chunk.language for chunk in chunks], [len(each) for each in terms],
        [_storable(chunk.text) for chunk in chunks], [_place(chunk) for chunk in chunks],
        [dict(chunk.metadata) for chunk in chunks],
        [chunk.kind == "code" or looks_like_code(chunk.text) for chunk in chunks],
    )  # fmt: skip
    await _add_vectors(database, index, [(n, e.vector) for n, e in zip(numbers, batch, strict=True) if e.vector])
    languages = {analysis_language(chunk, index.settings) for chunk in chunks}
    await postgres_segments.append(database, index.id, list(zip(numbers, terms, strict=True)), languages)


async def _add_vectors(
    database: Connection, index: Index, vectors: Sequence[tuple[int, Sequence[float] | None]]
) -> None:
    if not vectors:
        return
    lengths = {len(vector or ()) for _, vector in vectors}
    expected = await database.fetchval(_DIMENSIONS, index.id)
    if expected is None:
        expected = await database.fetchval(_SET_DIMENSIONS, index.id, max(lengths))
    if lengths != {expected}:
        raise EmbeddingsDiffer(
            "the embeddings are not as long as those that the index has",
            details={"expected": expected, "found": sorted(lengths)},
        )
    distance: Distance = index.settings.distance
    await database.execute(
        _ADD_VECTORS, index.id, "l2" if distance == "l2" else "dot",
        [number for number, _ in vectors], [vector_literal(vector or (), distance) for _, vector in vectors],
    )  # fmt: skip


async def _remove(database: Connection, document_id: str, index_id: str | None) -> None:
    gone: dict[str, list[tuple[int, int]]] = {}
    for row in await database.fetch(_REMOVE, document_id, index_id):
        gone.setdefault(str(row["index_id"]), []).append((row["number"], row["length"]))
    for index, chunks in gone.items():
        await postgres_segments.remove(database, index, chunks)


def vector_literal(vector: Sequence[float], distance: Distance) -> str:
    """Pgvector's text form; at unit length where the distance is the cosine."""
    values = np.asarray(vector, dtype=np.float64)
    if distance == "cosine":
        values /= np.linalg.norm(values) or 1.0
    return "[" + ",".join(map("{:.6g}".format, values.tolist())) + "]"


def _place(chunk: Chunk) -> dict[str, Any]:
    return {name: getattr(chunk, name) for name in _PLACE}


def _storable(text: str) -> str:
    """Postgres stores every character but NUL."""
    return text.replace("\x00", "\ufffd")
