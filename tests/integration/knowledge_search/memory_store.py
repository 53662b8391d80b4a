"""The second adapter of the chunk store and of search: everything in memory, everything exact.

It shares no code with the first but the analysis of texts: its BM25 is the formula, written down plainly.
"""

import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from functions.knowledge.core.code_text import looks_like_code
from functions.knowledge.core.filters import Condition, Value, attributes, holds
from functions.knowledge.core.models import (
    Chunk,
    Corpus,
    Document,
    DocumentVersion,
    EmbeddedChunk,
    Index,
    Reader,
    Space,
)
from functions.knowledge.core.postings import LexicalScores
from functions.knowledge.core.search_ports import Passage, Scope, SearchedIndex, SearchSession
from functions.knowledge.core.searchable import analysis_language, chunk_terms


@dataclass
class Stored:
    index: Index
    chunk: Chunk
    terms: Counter[str]
    length: int
    vector: np.ndarray | None


@dataclass
class MemoryStore:
    """Implements ChunkStore and SearchStore."""

    corpora: dict[str, Corpus] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    chunks: dict[int, Stored] = field(default_factory=dict)
    numbers: int = 0

    async def replace_document(
        self,
        space: Space,
        index: Index,
        document: Document,
        version: DocumentVersion,
        batches: AsyncIterator[Sequence[EmbeddedChunk]],
    ) -> int:
        self._remove(lambda stored: (stored.chunk.document_id, stored.index.id) == (document.id, index.id))
        self.documents[document.id] = document
        count = 0
        async for batch in batches:
            for embedded in batch:
                self.numbers += 1
                count += 1
                terms = chunk_terms(embedded.chunk, index.settings)
                vector = None
                if embedded.vector is not None:
                    vector = np.array(embedded.vector, dtype=float)
                    if index.settings.distance == "cosine":
                        vector = vector / np.linalg.norm(vector)
                self.chunks[self.numbers] = Stored(index, embedded.chunk, Counter(terms), len(terms), vector)
        return count

    async def describe_document(self, space: Space, document: Document) -> None:
        self.documents[document.id] = document

    async def remove_document(self, space: Space, document_id: str) -> None:
        self._remove(lambda stored: stored.chunk.document_id == document_id)

    async def drop_index(self, space: Space, index_id: str) -> None:
        self._remove(lambda stored: stored.index.id == index_id)

    async def count(self, space: Space, index_id: str) -> int:
        return sum(stored.index.id == index_id for stored in self.chunks.values())

    @asynccontextmanager
    async def session(self, space: Space) -> AsyncIterator[SearchSession]:
        yield MemorySession(self)

    def _remove(self, gone: "object") -> None:
        assert callable(gone)
        self.chunks = {number: stored for number, stored in self.chunks.items() if not gone(stored)}


class MemorySession:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def indexes(self, corpus_ids: Sequence[str] | None, reader: Reader) -> list[SearchedIndex]:
        found = []
        for corpus in self._store.corpora.values():
            if (corpus_ids is None or corpus.id in corpus_ids) and reader.may_read(corpus.groups):
                index = self._store.indexes[corpus.active_index_id or ""]
                own = [stored for stored in self._store.chunks.values() if stored.index.id == index.id]
                languages = frozenset(analysis_language(stored.chunk, index.settings) for stored in own)
                lengths = [len(stored.vector) for stored in own if stored.vector is not None]
                dimensions = lengths[0] if lengths else None
                found.append(SearchedIndex(index.id, corpus.id, index.settings, dimensions, languages, len(own)))
        return found

    async def narrow(self, indexes: Sequence[SearchedIndex], reader: Reader, condition: Condition | None) -> Scope:
        return Scope(tuple(indexes), reader, condition)

    async def lexical(
        self, scope: Scope, terms: Sequence[str], count: int
    ) -> tuple[list[tuple[int, float]], LexicalScores]:
        every = {number: stored for number, stored in self._store.chunks.items() if stored.index.id in scope.index_ids}
        scores = bm25({number: stored.terms for number, stored in every.items()}, terms)
        ordered = sorted(scores)
        result = LexicalScores(np.array(ordered, np.int64), np.array([scores[number] for number in ordered]))
        return result.top(count, np.array([n for n in ordered if self._may_be_found(scope, n)], np.int64)), result

    async def dense(self, scope: Scope, vector: Sequence[float], count: int) -> list[tuple[int, float]]:
        numbers = [number for number in self._store.chunks if self._may_be_found(scope, number)]
        found = await self.similarities(scope, vector, numbers)
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:count]

    async def similarities(self, scope: Scope, vector: Sequence[float], numbers: Sequence[int]) -> dict[int, float]:
        query, distance = np.array(vector, dtype=float), scope.indexes[0].settings.distance
        if distance == "cosine":
            query = query / np.linalg.norm(query)
        found = {}
        for number in numbers:
            stored = self._store.chunks[number].vector
            if stored is not None:
                found[number] = -float(np.linalg.norm(stored - query)) if distance == "l2" else float(stored @ query)
        return found

    async def alikeness(self, numbers: Sequence[int]) -> dict[tuple[int, int], float]:
        vectors = {n: v / np.linalg.norm(v) for n in numbers if (v := self._store.chunks[n].vector) is not None}
        return {
            (one, other): float(vectors[one] @ vectors[other]) for one in vectors for other in vectors if one < other
        }

    async def code(self, numbers: Sequence[int]) -> set[int]:
        chunks = {number: self._store.chunks[number].chunk for number in numbers}
        return {number for number, chunk in chunks.items() if chunk.kind == "code" or looks_like_code(chunk.text)}

    async def passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        found = {}
        for number in numbers:
            if number in self._store.chunks:
                chunk = self._store.chunks[number].chunk
                document = self._store.documents[chunk.document_id]
                found[number] = Passage(
                    number, chunk, document.corpus_id, document.name, document.source_uri, document.metadata,
                    document.updated_at,
                )  # fmt: skip
        return found

    def _may_be_found(self, scope: Scope, number: int) -> bool:
        stored = self._store.chunks[number]
        document = self._store.documents[stored.chunk.document_id]
        own: dict[str, list[Value | None]] = {
            "@document": [document.id], "@name": [document.name], "@kind": [stored.chunk.kind],
            "@language": [stored.chunk.language], "@path": [stored.chunk.path], "@symbol": [stored.chunk.symbol],
        }  # fmt: skip
        seen = {**attributes(document.metadata), **{key: value for key, value in own.items() if value != [""]}}
        return (
            stored.index.id in scope.index_ids
            and scope.reader.may_read(document.groups)
            and (scope.condition is None or holds(scope.condition, seen))
        )


def bm25(
    chunks: dict[int, Counter[str]], terms: Sequence[str], *, k1: float = 1.2, b: float = 0.75
) -> dict[int, float]:
    """The plain formula; chunks without any term of the query are left out."""
    total = len(chunks)
    average = sum(sum(counts.values()) for counts in chunks.values()) / max(total, 1)
    scores: dict[int, float] = {}
    for term in terms:
        containing = sum(term in counts for counts in chunks.values())
        weight = math.log(1 + (total - containing + 0.5) / (containing + 0.5))
        for number, counts in chunks.items():
            if frequency := counts[term]:
                norm = k1 * (1 - b + b * sum(counts.values()) / average)
                scores[number] = scores.get(number, 0.0) + weight * frequency * (k1 + 1) / (frequency + norm)
    return scores
