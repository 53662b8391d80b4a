"""Search in a tenant's database: BM25 over the postings, embeddings through pgvector's graph or exactly."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from functions.kit.database import Connection, Databases
from functions.knowledge.adapters.filter_sql import Parameters, condition_sql, readable
from functions.knowledge.adapters.postgres_chunks import vector_literal
from functions.knowledge.adapters.rows import settings_of
from functions.knowledge.core.filters import Condition
from functions.knowledge.core.models import Chunk, Reader, Space
from functions.knowledge.core.postings import Collection, LexicalScores, Numbers, score
from functions.knowledge.core.search_ports import Passage, Scope, SearchedIndex, SearchSession

# Up to so many chunks that may be found are compared one by one; else the graph is walked past those that may not.
_FEW = 3_000
# The graph has no advantage over looking at all embeddings of an index as small as this.
_SMALL_INDEX = 3_000
_EF_SEARCH = 120
_MOST_SCANNED = 40_000
_FIRST_LOOK = 4
_MOST_LOOKED_AT = 50_000

_INDEXES = """
    SELECT i.id::text, i.corpus_id::text, i.settings, i.dimensions,
        (SELECT coalesce(array_agg(DISTINCT l), '{}') FROM segments s, unnest(s.languages) l WHERE s.index_id = i.id)
            AS languages,
        (SELECT coalesce(sum(chunks), 0) FROM segments s WHERE s.index_id = i.id)
            - (SELECT coalesce(sum(chunks), 0) FROM removals r WHERE r.index_id = i.id) AS chunks
    FROM corpora k JOIN indexes i ON i.id = k.active_index_id
    WHERE ($1::uuid[] IS NULL OR k.id = ANY($1)) AND ($2 OR k.groups = '{}' OR k.groups && $3::text[])
    ORDER BY i.id
"""
_IS_RESTRICTED = "SELECT EXISTS (SELECT FROM documents WHERE corpus_id = ANY($1::uuid[]) AND groups <> '{}')"
# One statement, so that what was added and what was removed belong together.
_POSTINGS = """
    SELECT term, entries, NULL::bigint AS chunks, NULL::bigint AS length FROM postings
    WHERE index_id = ANY($1::uuid[]) AND term = ANY($2::text[])
    UNION ALL
    SELECT NULL, numbers, -chunks, -length FROM removals WHERE index_id = ANY($1::uuid[])
    UNION ALL
    SELECT NULL, NULL, sum(chunks)::bigint, sum(length)::bigint FROM segments WHERE index_id = ANY($1::uuid[])
"""
_FOUND = "chunks c JOIN documents d ON d.id = c.document_id"
_PASSAGES = """
    SELECT c.number, c.id::text, c.document_id::text, c.version, c.ordinal, c.kind, c.language, c.text, c.place,
           c.metadata, d.groups, d.corpus_id::text, d.name, d.source_uri, d.metadata AS document_metadata, d.updated_at
    FROM chunks c JOIN documents d ON d.id = c.document_id WHERE c.number = ANY($1::bigint[])
"""
_ALIKENESS = """
    SELECT a.number AS one, b.number AS other, 1 - (a.embedding <=> b.embedding) AS alike
    FROM chunk_vectors a JOIN chunk_vectors b
        ON a.number < b.number AND vector_dims(a.embedding) = vector_dims(b.embedding)
    WHERE a.number = ANY($1::bigint[]) AND b.number = ANY($1::bigint[])
"""
# Only a walk of the graph gives the nearest first without sorting all of them: leave the planner no other way.
_WALK_THE_GRAPH = f"""
    SELECT set_config('hnsw.ef_search', '{_EF_SEARCH}', true),
        set_config('hnsw.iterative_scan', 'strict_order', true),
        set_config('hnsw.max_scan_tuples', '{_MOST_SCANNED}', true),
        set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
        set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
        set_config('enable_sort', 'off', true)
"""
_WALK_FREELY = """
    SELECT set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
        set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
        set_config('enable_sort', 'on', true)
"""


class PostgresSearch:
    """Opens views of the tenants' databases."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    @asynccontextmanager
    async def session(self, space: Space) -> AsyncIterator[SearchSession]:
        """A view of a tenant's chunks: one snapshot, read only."""
        async with (
            self._databases.acquire(space.database) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield PostgresSession(connection)


class PostgresSession:
    """One snapshot of one tenant's database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def indexes(self, corpus_ids: Sequence[str] | None, reader: Reader) -> list[SearchedIndex]:
        """The active indexes of the corpora that the reader may read."""
        ids = None if corpus_ids is None else list(corpus_ids)
        rows = await self._connection.fetch(_INDEXES, ids, reader.everything, sorted(reader.groups))
        return [_index(dict(row)) for row in rows]

    async def narrow(self, indexes: Sequence[SearchedIndex], reader: Reader, condition: Condition | None) -> Scope:
        """Find out how much of the indexes may be found."""
        scope = Scope(tuple(indexes), reader, condition)
        corpora = [index.corpus_id for index in indexes]
        restricted = not reader.everything and await self._connection.fetchval(_IS_RESTRICTED, corpora)
        if condition is None and not restricted:
            return Scope(scope.indexes, reader, unrestricted=True)
        parameters = Parameters(corpora, scope.index_ids)
        rows = await self._connection.fetch(
            f"SELECT c.number FROM {_FOUND} WHERE d.corpus_id = ANY($1::uuid[]) AND c.index_id = ANY($2::uuid[])"  # noqa: S608
            f" AND {_may_be_found(scope, parameters)} LIMIT {_FEW + 1}",
            *parameters.values,
        )
        if len(rows) > _FEW:
            return scope
        return Scope(scope.indexes, reader, condition, only=np.sort(np.array([row[0] for row in rows], np.int64)))

    async def lexical(
        self, scope: Scope, terms: Sequence[str], count: int
    ) -> tuple[list[tuple[int, float]], LexicalScores]:
        """The chunks with the highest BM25, and the BM25 of all."""
        scores = await self._bm25(scope, terms)
        if scope.unrestricted or scope.only is not None:
            return scores.top(count, scope.only), scores
        found: list[tuple[int, float]] = []
        looked_at, upto = 0, count * _FIRST_LOOK
        while len(found) < count and looked_at < min(len(scores.numbers), _MOST_LOOKED_AT):
            candidates = scores.top(upto)[looked_at:]
            admitted = await self._admitted(scope, [number for number, _ in candidates])
            found.extend((number, value) for number, value in candidates if number in admitted)
            looked_at, upto = upto, upto * _FIRST_LOOK
        return found[:count], scores

    async def dense(self, scope: Scope, vector: Sequence[float], count: int) -> list[tuple[int, float]]:
        """The chunks with the most similar embeddings, with the similarity."""
        measure = _Measure.of(scope, vector)
        if scope.only is not None:
            return await self._nearest_of(scope, scope.only, measure, count)
        if sum(index.chunks for index in scope.indexes) <= _SMALL_INDEX:
            found = await self._exact(scope, measure, count)
        else:
            found = await self._graph(scope, measure, count)
        return found

    async def similarities(self, scope: Scope, vector: Sequence[float], numbers: Sequence[int]) -> dict[int, float]:
        """The similarity of chunks that were found otherwise."""
        found = await self._nearest_of(scope, np.array(numbers, np.int64), _Measure.of(scope, vector), len(numbers))
        return dict(found)

    async def alikeness(self, numbers: Sequence[int]) -> dict[tuple[int, int], float]:
        """Cosine of the embeddings of each two chunks."""
        rows = await self._connection.fetch(_ALIKENESS, list(numbers))
        return {(row["one"], row["other"]): row["alike"] for row in rows}

    async def code(self, numbers: Sequence[int]) -> set[int]:
        """Those of the chunks that are code."""
        rows = await self._connection.fetch(
            "SELECT number FROM chunks WHERE number = ANY($1::bigint[]) AND is_code", list(numbers)
        )
        return {row["number"] for row in rows}

    async def passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        """The chunks themselves."""
        rows = await self._connection.fetch(_PASSAGES, list(numbers))
        return {row["number"]: _passage(dict(row)) for row in rows}

    async def _bm25(self, scope: Scope, terms: Sequence[str]) -> LexicalScores:
        postings: dict[str, list[bytes]] = {}
        removed: list[bytes] = []
        chunks = length = 0
        for term, entries, more_chunks, more_length in await self._connection.fetch(
            _POSTINGS, scope.index_ids, list(terms)
        ):
            if term is not None:
                postings.setdefault(term, []).append(entries)
                continue
            chunks, length = chunks + (more_chunks or 0), length + (more_length or 0)
            if entries is not None:
                removed.append(entries)
        gone = np.frombuffer(b"".join(removed), dtype="<u4").astype(np.int64)
        return score(postings, Collection(chunks, length), gone)

    async def _admitted(self, scope: Scope, numbers: Sequence[int]) -> set[int]:
        parameters = Parameters(list(numbers))
        rows = await self._connection.fetch(
            f"SELECT c.number FROM {_FOUND} WHERE c.number = ANY($1::bigint[])"  # noqa: S608
            f" AND {_may_be_found(scope, parameters)}",
            *parameters.values,
        )
        return {row[0] for row in rows}

    async def _nearest_of(
        self, scope: Scope, numbers: Numbers, measure: "_Measure", count: int
    ) -> list[tuple[int, float]]:
        rows = await self._connection.fetch(
            f"SELECT number, {measure.distance} AS far FROM chunk_vectors WHERE number = ANY($2::bigint[])"  # noqa: S608
            f" AND index_id = ANY($4::uuid[]) AND {measure.stored} ORDER BY {measure.exact}, number LIMIT $3",
            measure.vector, numbers.tolist(), count, scope.index_ids,
        )  # fmt: skip
        return [(row["number"], measure.similarity(row["far"])) for row in rows]

    async def _exact(self, scope: Scope, measure: "_Measure", count: int) -> list[tuple[int, float]]:
        return await self._nearest(scope, measure, count, order=f"{measure.exact}, v.number")

    async def _graph(self, scope: Scope, measure: "_Measure", count: int) -> list[tuple[int, float]]:
        await self._connection.execute(_WALK_THE_GRAPH)
        found = await self._nearest(scope, measure, count, order="far")
        await self._connection.execute(_WALK_FREELY)
        return found

    async def _nearest(self, scope: Scope, measure: "_Measure", count: int, *, order: str) -> list[tuple[int, float]]:
        parameters = Parameters(measure.vector, scope.index_ids, count)
        admitted = ""
        if not scope.unrestricted:
            test = _may_be_found(scope, parameters)
            admitted = f" AND EXISTS (SELECT FROM {_FOUND} WHERE c.number = v.number AND {test} OFFSET 0)"
        rows = await self._connection.fetch(
            f"SELECT v.number, {measure.distance} AS far FROM chunk_vectors v"  # noqa: S608
            f" WHERE v.index_id = ANY($2::uuid[]) AND {measure.stored}{admitted} ORDER BY {order} LIMIT $3",
            *parameters.values,
        )
        return [(row["number"], measure.similarity(row["far"])) for row in rows]


class _Measure:
    """How far two embeddings are apart, as SQL that the graphs of that length and distance serve."""

    def __init__(self, vector: str, dimensions: int, *, operator: str, stored: str) -> None:
        self.vector = vector
        # Within a SELECT the text is read once; without, in a prepared statement, again for every row.
        self.distance = f"embedding::halfvec({dimensions}) {operator} (SELECT $1::text::halfvec({dimensions}))"
        # No graph serves this expression.
        self.exact = f"({self.distance}) + 0"
        self.stored = f"distance = '{stored}' AND vector_dims(embedding) = {dimensions}"

    @classmethod
    def of(cls, scope: Scope, vector: Sequence[float]) -> "_Measure":
        """That of a scope's indexes, from a query's embedding."""
        distance = scope.indexes[0].settings.distance
        literal = vector_literal(vector, distance)
        if distance == "l2":
            return cls(literal, len(vector), operator="<->", stored="l2")
        return cls(literal, len(vector), operator="<#>", stored="dot")

    def similarity(self, far: float) -> float:
        """The more, the more similar: cosine, inner product, or less the distance."""
        return -far


def _may_be_found(scope: Scope, parameters: Parameters) -> str:
    return f"{readable(scope.reader, parameters)} AND {condition_sql(scope.condition, parameters)}"


def _index(row: Mapping[str, Any]) -> SearchedIndex:
    languages = frozenset(row["languages"])
    settings = settings_of(row["settings"])
    return SearchedIndex(row["id"], row["corpus_id"], settings, row["dimensions"], languages, int(row["chunks"]))


def _passage(row: Mapping[str, Any]) -> Passage:
    chunk = Chunk(
        id=row["id"], document_id=row["document_id"], version=row["version"], ordinal=row["ordinal"],
        text=row["text"], kind=row["kind"], language=row["language"], metadata=row["metadata"], groups=row["groups"],
        **row["place"],
    )  # fmt: skip
    return Passage(
        row["number"], chunk, row["corpus_id"], row["name"], row["source_uri"], row["document_metadata"],
        row["updated_at"],
    )  # fmt: skip
