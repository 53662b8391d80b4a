"""`python -m scenarios.load.search`: latency of hybrid search over 100,000 chunks, and recall of the graph.

The embedding call is left out: a question's embedding is given. Beside it, in the same run and over the same rows: what
Postgres takes by itself for either half, pgvector's nearest ten alone and the ten best by `ts_rank` over a GIN index
alone. `--chunks N` measures fewer.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Sequence

import asyncpg
import numpy as np

from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.filters import Condition, OneOf
from functions.knowledge.core.models import Index, Reader
from functions.knowledge.core.search import Search, SearchRequest
from scenarios.knowledge_server import BEHALF, KnowledgeServer, Measured, knowledge_server
from scenarios.quality.collections import DATA, load
from scenarios.quality.embedded_model import Matrix, embed
from scenarios.quality.retrieval import NoReranker

_PARTS = 100
_ASKED = 200
_PER_DOCUMENT = 20
_NEAREST = """
    SELECT number FROM chunk_vectors WHERE distance = 'dot' AND vector_dims(embedding) = 384
    ORDER BY embedding::halfvec(384) <#> $1::text::halfvec(384) LIMIT 10
"""
# Words in a column and an index of their own; the terms are alternatives, as in a search engine.
_WORDS = (
    "ALTER TABLE chunks ADD COLUMN plain tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED",
    "CREATE INDEX chunks_plain ON chunks USING gin (plain)",
    "VACUUM ANALYZE chunks",
)
_BY_WORDS = """
    SELECT number FROM chunks, (SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS wanted) q
    WHERE plain @@ wanted ORDER BY ts_rank(plain, wanted) DESC LIMIT 10
"""
_ASKED_PLAINLY = 50


class GivenEmbedding:
    """Port `QueryEmbedder` that gives what it was told last."""

    vector: Sequence[float] = ()

    async def embed_query(self, behalf: OnBehalf, model: str, query: str) -> Sequence[float]:
        """The vector."""
        del behalf, model, query
        return self.vector


def collection(count: int) -> tuple[list[str], Matrix, list[str]]:
    """Texts of two abstracts each, the mean of their embeddings with some noise, and questions."""
    abstracts = load(DATA / "retrieval" / "vaswani_npl", "queries.jsonl", "qrels.tsv", (0, 0))
    vectors, rng = embed(abstracts.texts), random.Random(1)  # noqa: S311 - a sample
    pairs = [(rng.randrange(len(vectors)), rng.randrange(len(vectors))) for _ in range(count)]
    noise = np.random.default_rng(1).normal(size=(count, vectors.shape[1])).astype(np.float32) * 0.01
    mixed = 0.7 * vectors[[one for one, _ in pairs]] + 0.3 * vectors[[other for _, other in pairs]] + noise
    texts = [f"{abstracts.texts[one]} {abstracts.texts[other]}" for one, other in pairs]
    return texts, mixed / np.linalg.norm(mixed, axis=1, keepdims=True), list(abstracts.questions.values())


async def run(count: int) -> int:
    """Measure and print; 1 when a figure that must hold does not."""
    texts, vectors, questions = collection(count)
    asked = [questions[at % len(questions)] for at in range(_ASKED)]
    sample = np.random.default_rng(2).normal(size=(_ASKED, vectors.shape[1])).astype(np.float32) * 0.02
    queries = vectors[np.random.default_rng(3).integers(count, size=_ASKED)] + sample
    async with knowledge_server() as server:
        index = await server.corpus()
        measured = [
            Measured(text, vector, {"part": at // _PER_DOCUMENT % _PARTS})
            for at, (text, vector) in enumerate(zip(texts, vectors.tolist(), strict=True))
        ]
        started = time.perf_counter()
        order = {chunk: at for at, chunk in enumerate(await server.fill(index, measured, per_document=_PER_DOCUMENT))}
        print(f"{count:,} chunks stored in {time.perf_counter() - started:.0f} s, the graph included")
        everything, one_part = np.arange(count) >= 0, np.arange(count) // _PER_DOCUMENT % _PARTS == 7
        cases: list[tuple[str, Condition | None, np.ndarray, float]] = [
            ("no filter", None, everything, 0.98),
            ("1 % filter", OneOf("part", (7.0,)), one_part, 0.95),
        ]
        holds, hybrid = True, 0.0
        for name, condition, allowed, least in cases:
            times = await latency(server, index, condition, asked, queries)
            found = await recall(
                server, index, condition, queries[:100], nearest(queries[:100], vectors, allowed, order)
            )
            p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
            print(f"{name:10} p50 {p50:.1f} ms  p95 {p95:.1f} ms  recall@10 {found:.3f}")
            holds = holds and p50 < 25 and p95 < 60 and found >= least
            if condition is None:
                hybrid = p50
        await beside(server, asked, queries, hybrid)
    print("holds" if holds else "MUST BE BETTER: p50 under 25 ms, p95 under 60 ms, recall 0.98 and 0.95 with a filter")
    return 0 if holds else 1


async def latency(
    server: KnowledgeServer, index: Index, condition: Condition | None, asked: Sequence[str], queries: Matrix
) -> list[float]:
    """Milliseconds of each hybrid search, one after the other, after a warm-up."""
    embedder = GivenEmbedding()
    search = Search(server.search, embedder, NoReranker())
    times = []
    for text, vector in zip((*asked[:20], *asked), (*queries[:20], *queries), strict=True):
        embedder.vector = vector.tolist()
        started = time.perf_counter()
        await search(
            server.space, Reader(everything=True), BEHALF, SearchRequest(text, [index.corpus_id], condition)
        )  # fmt: skip
        times.append((time.perf_counter() - started) * 1000)
    return times[20:]


async def beside(server: KnowledgeServer, asked: Sequence[str], queries: Matrix, hybrid: float) -> None:
    """Print what plain Postgres takes, and how the hybrid search compares."""
    admin = await asyncpg.connect(server.admin)
    try:
        for statement in _WORDS:
            await admin.execute(statement)
        near = await _plainly(admin, _NEAREST, ["[" + ",".join(map(str, query.tolist())) + "]" for query in queries])
        words = await _plainly(admin, _BY_WORDS, asked[:_ASKED_PLAINLY])
    finally:
        await admin.close()
    print(f"plain pgvector p50 {near:.1f} ms, plain ts_rank p50 {words:.1f} ms: the hybrid takes ", end="")
    print(f"{hybrid / (near + words):.2f} times both together")


async def _plainly(admin: asyncpg.Connection, query: str, given: Sequence[str]) -> float:
    times = []
    for each in (*given[:5], *given):
        started = time.perf_counter()
        await admin.fetch(query, each)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[5:])


async def recall(
    server: KnowledgeServer,
    index: Index,
    condition: Condition | None,
    queries: Matrix,
    expected: Sequence[set[str]],
) -> float:
    """Share of the ten that are really nearest."""
    shares = []
    reader = Reader(everything=True)
    for query, best in zip(queries, expected, strict=True):
        async with server.search.session(server.space) as session:
            scope = await session.narrow(await session.indexes([index.corpus_id], reader), reader, condition)
            hits = await session.dense(scope, query.tolist(), 10)
            passages = await session.passages([number for number, _ in hits])
        shares.append(len(best & {passage.chunk.id for passage in passages.values()}) / 10)
    return float(np.mean(shares))


def nearest(queries: Matrix, vectors: Matrix, allowed: np.ndarray, order: dict[str, int]) -> list[set[str]]:
    """The ids of the ten that are really nearest to each."""
    ids = list(order)
    return [{ids[at] for at in np.argsort(-np.where(allowed, vectors @ query, -np.inf))[:10]} for query in queries]


def main() -> int:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    if not DATA.exists():
        print(f"skipped: {DATA} is not there")
        return 0
    return asyncio.run(run(parser.parse_args().chunks))


if __name__ == "__main__":
    sys.exit(main())
