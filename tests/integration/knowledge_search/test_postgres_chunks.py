"""What only Postgres must show: exact statistics under concurrency, merging, clearing, embeddings that do not fit."""

import asyncio
import random
from collections import Counter

import numpy as np
import pytest

from functions.kit.database import UnitOfWork
from functions.knowledge.core.errors import EmbeddingsDiffer
from functions.knowledge.core.filters import Between, OneOf
from functions.knowledge.core.models import Document, Reader
from tests.integration.knowledge_search.library import ADMIN, PostgresLibrary
from tests.integration.knowledge_search.memory_store import bm25

pytestmark = pytest.mark.integration


async def left(library: PostgresLibrary) -> dict[int, list[str]]:
    """The words of every chunk there is."""
    async with library.databases.acquire(library.space.database) as database:
        return {row["number"]: row["text"].split() for row in await database.fetch("SELECT number, text FROM chunks")}


async def scores(library: PostgresLibrary, terms: list[str]) -> dict[int, float]:
    async with library.search.session(library.space) as session:
        scope = await session.narrow(await session.indexes(None, ADMIN), ADMIN, None)
        return dict((await session.lexical(scope, terms, 100_000))[0])


async def segments(library: PostgresLibrary) -> int:
    async with library.databases.acquire(library.space.database) as database:
        return int(await database.fetchval("SELECT count(*) FROM segments"))


async def test_scores_are_exact_after_writers_at_once(postgres_library: PostgresLibrary) -> None:
    """Writers, rewriters and removers at once, some of them twice, some of them broken off."""
    library, rng = postgres_library, random.Random(3)
    words = [f"word{n}" for n in range(30)]
    corpus = await library.corpus()

    def texts() -> list[str]:
        return [" ".join(rng.choices(words, k=rng.randint(1, 20))) for _ in range(3)]

    async def broken_off() -> None:
        async with UnitOfWork(library.databases) as unit:
            await library.put(documents[0], *texts())
            unit.abandon()

    documents: list[Document] = list(await asyncio.gather(*(library.add(corpus, *texts()) for _ in range(50))))
    await asyncio.gather(
        *(library.rewrite(document, *texts()) for document in documents[:15] for _ in range(2)),
        *(library.remove(document) for document in documents[20:35]),
        *(library.store_removed(document) for document in documents[20:35]),
        *(library.add(corpus, *texts()) for _ in range(30)),
        *(broken_off() for _ in range(5)),
    )
    every = await left(library)
    assert len(every) == (50 - 15 + 30) * 3
    query = words[:6]
    expected = bm25({number: Counter(found) for number, found in every.items()}, query)
    assert await scores(library, query) == pytest.approx(expected, abs=1e-6)
    assert await segments(library) < 40


async def test_removed_chunks_are_cleared_out_of_the_postings(postgres_library: PostgresLibrary) -> None:
    library = postgres_library
    corpus = await library.corpus()
    await library.add(corpus, "stone wall", "stone bridge over water")
    document = await library.add(corpus, *(f"stone number{n}" for n in range(2_100)))
    await library.rewrite(document, "stone alone")
    async with library.databases.acquire(library.space.database) as database:
        assert await database.fetchval("SELECT count(*) FROM removals") == 0
        assert await database.fetchval("SELECT sum(chunks) FROM segments") == 3
        assert await database.fetchval("SELECT sum(length(entries)) FROM postings WHERE term = 'stone'") == 3 * 8
        assert await database.fetchval("SELECT count(*) FROM postings WHERE term ~ 'number'") == 0
    every = await left(library)
    expected = bm25({number: Counter(found) for number, found in every.items()}, ["stone"])
    assert await scores(library, ["stone"]) == pytest.approx(expected, abs=1e-6)


async def test_embeddings_of_another_length_are_refused(postgres_library: PostgresLibrary) -> None:
    corpus = await postgres_library.corpus()
    await postgres_library.add(corpus, "one", vectors=[[1.0, 0.0]])
    with pytest.raises(EmbeddingsDiffer):
        await postgres_library.add(corpus, "two", vectors=[[1.0, 0.0, 0.0]])
    assert list(await postgres_library.words("one two")) == ["one"]


async def test_recall_against_exact_search_with_and_without_filters(postgres_library: PostgresLibrary) -> None:
    library, rng = postgres_library, np.random.default_rng(5)
    corpus = await library.corpus()
    centres = rng.normal(size=(60, 256))
    vectors = centres[rng.integers(60, size=3_200)] + rng.normal(size=(3_200, 256)) * 0.7
    for part in range(32):
        at = slice(part * 100, part * 100 + 100)
        metadata, groups = {"part": part}, ["few"] if part == 31 else []
        texts = [f"text {n}" for n in range(at.start, at.stop)]
        await library.add(corpus, *texts, vectors=vectors[at].tolist(), metadata=metadata, groups=groups)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    part_of = np.arange(3_200) // 100
    for condition, reader, allowed, least in (
        (None, ADMIN, part_of >= 0, 0.98),
        (OneOf("part", (7.0,)), ADMIN, part_of == 7, 0.999),
        (Between("part", least=1.0), ADMIN, part_of >= 1, 0.95),
        (None, Reader(), part_of % 32 != 31, 0.95),
    ):
        found = []
        for query in centres[:20] + rng.normal(size=(20, 256)) * 0.5:
            similar = np.where(allowed, unit @ query, -np.inf)
            best = {f"text {n}" for n in np.argsort(-similar)[:10]}
            hits = await library.meaning(query.tolist(), condition=condition, reader=reader)
            assert len(hits) == 10
            found.append(len(best & set(hits)) / 10)
        assert np.mean(found) >= least
