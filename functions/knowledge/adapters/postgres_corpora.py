"""Corpora and indexes in the tenant's database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import asyncpg

from functions.kit.database import connection
from functions.knowledge.adapters.rows import CORPUS, INDEX, corpus_of, index_of, readable, settings_fields
from functions.knowledge.core.errors import CorpusNameTaken, CorpusNotFound
from functions.knowledge.core.models import Corpus, Index, IndexStatus, Reader, Space

_ADD = """
    INSERT INTO corpora (id, name, description, groups, metadata, active_index_id, created_by, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
"""
_CHANGE = """
    UPDATE corpora SET name = $2, description = $3, groups = $4, metadata = $5, updated_at = clock_timestamp()
    WHERE id = $1 RETURNING updated_at
"""
_ADD_INDEX = """
    INSERT INTO indexes (id, corpus_id, settings, status, dimensions, created_at, activated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_LIVE = f"SELECT {INDEX} FROM indexes x WHERE x.corpus_id = $1 AND x.status IN ('active', 'building') ORDER BY x.id"  # noqa: S608
_RETIRE = "UPDATE indexes SET status = 'retired' WHERE corpus_id = $1 AND status = 'active' AND id <> $2"
_ACTIVATE = "UPDATE indexes SET status = 'active', activated_at = clock_timestamp() WHERE id = $1"
_POINT = "UPDATE corpora SET active_index_id = $2, updated_at = clock_timestamp() WHERE id = $1"


class PostgresCorpora:
    """Port `Corpora`."""

    async def add(self, space: Space, corpus: Corpus) -> None:
        """Enter a corpus."""
        session = await connection(space.database)
        with _telling_what_is_taken():
            await session.execute(
                _ADD,
                corpus.id,
                corpus.name,
                corpus.description,
                corpus.groups,
                corpus.metadata,
                corpus.active_index_id,
                corpus.created_by,
                corpus.created_at,
            )

    async def find(self, space: Space, corpus_id: str, *, lock: bool = False) -> Corpus | None:
        """The corpus."""
        query = f"SELECT {CORPUS} FROM corpora c WHERE c.id = $1 {'FOR NO KEY UPDATE' if lock else ''}"  # noqa: S608
        row = await (await connection(space.database)).fetchrow(query, corpus_id)
        return corpus_of(row) if row else None

    async def page(self, space: Space, reader: Reader, limit: int, before: str | None) -> Sequence[Corpus]:
        """The corpora that a reader may read, newest first."""
        query = f"""
            SELECT {CORPUS} FROM corpora c
            WHERE {readable(1, 2, "c")} AND ($3::uuid IS NULL OR c.id < $3) ORDER BY c.id DESC LIMIT $4
        """  # noqa: S608
        session = await connection(space.database)
        rows = await session.fetch(query, reader.everything, list(reader.groups), before, limit)
        return [corpus_of(row) for row in rows]

    async def change(self, space: Space, corpus: Corpus) -> Corpus:
        """Store all of a corpus that can change."""
        session = await connection(space.database)
        with _telling_what_is_taken():
            changed = await session.fetchval(
                _CHANGE, corpus.id, corpus.name, corpus.description, corpus.groups, corpus.metadata
            )
        if changed is None:
            raise CorpusNotFound("there is no such corpus")
        return replace(corpus, updated_at=changed)

    async def remove(self, space: Space, corpus_id: str) -> None:
        """Remove a corpus with all that is in it."""
        await (await connection(space.database)).execute("DELETE FROM corpora WHERE id = $1", corpus_id)

    async def add_index(self, space: Space, index: Index) -> None:
        """Enter an index."""
        await (await connection(space.database)).execute(
            _ADD_INDEX,
            index.id,
            index.corpus_id,
            settings_fields(index.settings),
            index.status,
            index.dimensions,
            index.created_at,
            index.activated_at,
        )

    async def find_index(self, space: Space, index_id: str, *, lock: bool = False) -> Index | None:
        """The index."""
        query = f"SELECT {INDEX} FROM indexes x WHERE x.id = $1 {'FOR NO KEY UPDATE' if lock else ''}"  # noqa: S608
        row = await (await connection(space.database)).fetchrow(query, index_id)
        return index_of(row) if row else None

    async def indexes(
        self, space: Space, reader: Reader, corpus_id: str | None, limit: int, before: str | None
    ) -> Sequence[Index]:
        """The indexes of the corpora that a reader may read, newest first."""
        query = f"""
            SELECT {INDEX} FROM indexes x JOIN corpora c ON c.id = x.corpus_id
            WHERE {readable(1, 2, "c")} AND ($3::uuid IS NULL OR x.corpus_id = $3) AND ($4::uuid IS NULL OR x.id < $4)
            ORDER BY x.id DESC LIMIT $5
        """  # noqa: S608
        session = await connection(space.database)
        rows = await session.fetch(query, reader.everything, list(reader.groups), corpus_id, before, limit)
        return [index_of(row) for row in rows]

    async def live_indexes(self, space: Space, corpus_id: str) -> Sequence[Index]:
        """The active index, and those that are being built."""
        rows = await (await connection(space.database)).fetch(_LIVE, corpus_id)
        return [index_of(row) for row in rows]

    async def switch(self, space: Space, index: Index) -> None:
        """Make an index the active one, and retire the one before."""
        session = await connection(space.database)
        await session.execute(_RETIRE, index.corpus_id, index.id)
        await session.execute(_ACTIVATE, index.id)
        await session.execute(_POINT, index.corpus_id, index.id)

    async def set_status(self, space: Space, index_id: str, status: IndexStatus) -> None:
        """Note how an index stands."""
        session = await connection(space.database)
        await session.execute("UPDATE indexes SET status = $2 WHERE id = $1", index_id, status)

    async def set_dimensions(self, space: Space, index_id: str, dimensions: int) -> None:
        """Note the length of an index's embeddings, unless it is known."""
        query = "UPDATE indexes SET dimensions = $2 WHERE id = $1 AND dimensions IS NULL"
        await (await connection(space.database)).execute(query, index_id, dimensions)

    async def remove_index(self, space: Space, index_id: str) -> None:
        """Remove an index and what is left to do for it."""
        await (await connection(space.database)).execute("DELETE FROM indexes WHERE id = $1", index_id)


@contextmanager
def _telling_what_is_taken() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise CorpusNameTaken("another corpus has this name", details={"field": "name"}) from error
