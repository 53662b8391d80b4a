"""A tenant's chunks in a test, whatever stores them."""

import dataclasses
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from functions.kit.database import Databases, UnitOfWork, connection
from functions.knowledge.adapters.postgres_chunks import PostgresChunkStore
from functions.knowledge.adapters.postgres_search import PostgresSearch
from functions.knowledge.core.analysis import query_terms
from functions.knowledge.core.filters import Condition
from functions.knowledge.core.models import (
    Chunk,
    Corpus,
    Document,
    DocumentVersion,
    EmbeddedChunk,
    Index,
    IndexSettings,
    IndexStatus,
    Reader,
    Space,
)
from functions.knowledge.core.ports import ChunkStore
from functions.knowledge.core.search_ports import SearchSession, SearchStore
from tests.integration.knowledge_search.memory_store import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADMIN = Reader(everything=True)


@dataclass
class Library:
    """A chunk store with what it presumes: corpora, indexes and documents."""

    space: Space
    store: ChunkStore
    search: SearchStore
    indexes: dict[str, Index] = field(default_factory=dict)

    async def corpus(self, *, groups: Sequence[str] = (), settings: IndexSettings | None = None) -> str:
        corpus_id, index_id = str(uuid.uuid4()), str(uuid.uuid4())
        corpus = Corpus(corpus_id, corpus_id, "", groups, {}, index_id, None, NOW, NOW)
        index = Index(index_id, corpus_id, settings or IndexSettings(language="en"), IndexStatus.ACTIVE, None, NOW, NOW)
        self.indexes[corpus_id] = index
        async with self.writing():
            await self.keep_corpus(corpus, index)
        return corpus_id

    async def add(
        self,
        corpus_id: str,
        *texts: str,
        vectors: Sequence[Sequence[float]] = (),
        name: str = "",
        metadata: dict[str, Any] | None = None,
        groups: Sequence[str] = (),
        kind: Any = "text",
        language: str = "en",
    ) -> Document:
        document_id = str(uuid.uuid4())
        document = Document(
            document_id, corpus_id, name or document_id, None, metadata or {}, groups, 1, None, NOW, NOW
        )
        async with self.writing():
            await self.keep_document(document)
            await self.put(document, *texts, vectors=vectors, kind=kind, language=language)
        return document

    async def put(
        self,
        document: Document,
        *texts: str,
        vectors: Sequence[Sequence[float]] = (),
        kind: Any = "text",
        language: str = "en",
    ) -> int:
        version = DocumentVersion(str(uuid.uuid4()), document.id, document.version, "text/plain", None, None, NOW)
        chunks = [
            EmbeddedChunk(
                Chunk(
                    str(uuid.uuid4()), document.id, document.version, at, text, kind, 0, len(text), language=language
                ),
                vectors[at] if vectors else None,
            )
            for at, text in enumerate(texts)
        ]

        async def batches() -> AsyncIterator[Sequence[EmbeddedChunk]]:
            for start in range(0, len(chunks), 100):
                yield chunks[start : start + 100]

        index = self.indexes[document.corpus_id]
        return await self.store.replace_document(self.space, index, document, version, batches())

    async def rewrite(self, document: Document, *texts: str, vectors: Sequence[Sequence[float]] = ()) -> Document:
        newer = replace(document, version=document.version + 1)
        async with self.writing():
            await self.put(newer, *texts, vectors=vectors)
        return newer

    async def remove(self, document: Document) -> None:
        async with self.writing():
            await self.store.remove_document(self.space, document.id)
            await self.forget_document(document)

    async def store_removed(self, document: Document) -> None:
        async with self.writing():
            await self.store.remove_document(self.space, document.id)

    async def words(
        self, query: str, *, reader: Reader = ADMIN, condition: Condition | None = None, count: int = 10
    ) -> dict[str, float]:
        """Texts found by their words, best first, with their scores."""
        async with self.search.session(self.space) as session:
            scope = await session.narrow(await session.indexes(None, reader), reader, condition)
            languages = {language for index in scope.indexes for language in index.languages}
            found, _ = await session.lexical(scope, query_terms(query, languages), count)
            return await texts(session, found)

    async def meaning(
        self, vector: Sequence[float], *, reader: Reader = ADMIN, condition: Condition | None = None, count: int = 10
    ) -> dict[str, float]:
        """Texts found by their embeddings, best first, with their similarities."""
        async with self.search.session(self.space) as session:
            scope = await session.narrow(await session.indexes(None, reader), reader, condition)
            return await texts(session, await session.dense(scope, vector, count))

    def writing(self) -> AbstractAsyncContextManager[Any]:
        raise NotImplementedError

    async def keep_corpus(self, corpus: Corpus, index: Index) -> None:
        raise NotImplementedError

    async def keep_document(self, document: Document) -> None:
        raise NotImplementedError

    async def forget_document(self, document: Document) -> None:
        raise NotImplementedError


async def texts(session: SearchSession, found: Sequence[tuple[int, float]]) -> dict[str, float]:
    passages = await session.passages([number for number, _ in found])
    return {passages[number].chunk.text: score for number, score in found}


class MemoryLibrary(Library):
    def __init__(self) -> None:
        self.memory = MemoryStore()
        super().__init__(Space("t", "t"), self.memory, self.memory)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        yield

    async def keep_corpus(self, corpus: Corpus, index: Index) -> None:
        self.memory.corpora[corpus.id] = corpus
        self.memory.indexes[index.id] = index

    async def keep_document(self, document: Document) -> None:
        self.memory.documents[document.id] = document

    async def forget_document(self, document: Document) -> None:
        del self.memory.documents[document.id]


class PostgresLibrary(Library):
    def __init__(self, databases: Databases, database: str) -> None:
        self.databases = databases
        super().__init__(Space("t", database), PostgresChunkStore(), PostgresSearch(databases))

    def writing(self) -> AbstractAsyncContextManager[Any]:
        return UnitOfWork(self.databases)

    async def keep_corpus(self, corpus: Corpus, index: Index) -> None:
        database = await connection(self.space.database)
        await database.execute(
            "INSERT INTO corpora (id, name, groups, active_index_id) VALUES ($1, $2, $3, $4)",
            corpus.id, corpus.name, list(corpus.groups), index.id,
        )  # fmt: skip
        await database.execute(
            "INSERT INTO indexes (id, corpus_id, settings, status) VALUES ($1, $2, $3, 'active')",
            index.id, corpus.id, dataclasses.asdict(index.settings),
        )  # fmt: skip

    async def keep_document(self, document: Document) -> None:
        database = await connection(self.space.database)
        await database.execute(
            "INSERT INTO documents (id, corpus_id, name, metadata, groups, version) VALUES ($1, $2, $3, $4, $5, $6)",
            document.id, document.corpus_id, document.name, dict(document.metadata), list(document.groups),
            document.version,
        )  # fmt: skip

    async def forget_document(self, document: Document) -> None:
        await (await connection(self.space.database)).execute("DELETE FROM documents WHERE id = $1", document.id)
