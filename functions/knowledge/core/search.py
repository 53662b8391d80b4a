"""Finds passages: by words, by meaning, fused, reranked, made diverse, with every stage told on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from functions.kit.errors import DcoderError
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core import fusion
from functions.knowledge.core.analysis import query_terms
from functions.knowledge.core.diversity import diversify
from functions.knowledge.core.errors import CorpusNotFound, ModelRefused
from functions.knowledge.core.filters import Condition
from functions.knowledge.core.fusion import Fusion
from functions.knowledge.core.highlights import Highlight, highlights
from functions.knowledge.core.models import IndexSettings, Reader, Space
from functions.knowledge.core.search_ports import (
    Passage,
    QueryEmbedder,
    Reranker,
    Scope,
    SearchedIndex,
    SearchSession,
    SearchStore,
)
from functions.knowledge.core.searchable import analysis_language

Stage = Literal["words", "meaning", "fusion", "rerank", "diversity"]

_LEAST_CANDIDATES = 100
_RERANKED = 30
_DIVERSIFIED = 50


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is searched for.

    Attributes:
        corpus_ids: None for every corpus that the caller may read.
        hybrid: by words and by meaning; else by meaning alone.
        words_weight: the words' share in the weighted fusion, 0 to 1; None takes the default of each passage's kind.
        diversity: from 0 for none to 1.
    """

    query: str
    corpus_ids: Sequence[str] | None = None
    condition: Condition | None = None
    top_k: int = 10
    hybrid: bool = True
    fusion: Fusion = "weighted"
    words_weight: float | None = None
    rerank: bool = False
    diversity: float = 0.0
    highlight: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a passage stood at a stage; ranks begin at 1. The scale of the score is the stage's own."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Attributes:
        score: of the last stage that gives scores; only comparable within one answer.
    """

    passage: Passage
    score: float
    stages: Mapping[Stage, Standing]
    highlights: Sequence[Highlight] = ()


@dataclass(frozen=True, slots=True)
class Degradation:
    """A stage that was left out, and the error code that says why."""

    stage: Stage | Literal["rewrite", "follow_ups"]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found, best first.

    Attributes:
        terms: what was looked for among the words.
        candidates: how many passages the stages chose from.
    """

    hits: Sequence[Hit]
    terms: Sequence[str] = ()
    candidates: int = 0
    degraded: Sequence[Degradation] = ()


@dataclass(slots=True)
class _Ranking:
    """Candidates on their way through the stages."""

    order: list[int]
    scores: dict[int, float]
    stages: dict[int, dict[Stage, Standing]] = field(default_factory=dict)

    def note(self, stage: Stage, found: Sequence[tuple[int, float]]) -> None:
        for rank, (number, score) in enumerate(found, start=1):
            self.stages.setdefault(number, {})[stage] = Standing(rank, score)


class Search:
    """The use case."""

    def __init__(self, store: SearchStore, embedder: QueryEmbedder, reranker: Reranker) -> None:
        self._store = store
        self._embedder = embedder
        self._reranker = reranker

    async def __call__(self, space: Space, reader: Reader, behalf: OnBehalf, wanted: SearchRequest) -> SearchResult:
        """The best passages that the reader may read.

        Without the embedding model a hybrid search goes on by words alone, without the reranking model in the order
        before it; the result says so.

        Raises:
            CorpusNotFound: a corpus is not there, or not for the reader.
            DependencyUnavailable: the store is away, or so is the embedding model and words were not asked for.
        """
        async with self._store.session(space) as session:
            indexes = _asked_for(await session.indexes(wanted.corpus_ids, reader), wanted.corpus_ids)
        if not indexes:
            return SearchResult(())
        vectors, degraded = await self._embed(behalf, indexes, wanted)
        async with self._store.session(space) as session:
            # Anew: while a model was asked, an index may have been switched, or a corpus closed to the reader.
            indexes = _asked_for(await session.indexes(wanted.corpus_ids, reader), wanted.corpus_ids)
            terms = query_terms(wanted.query, {language for index in indexes for language in index.languages})
            scope = await session.narrow(indexes, reader, wanted.condition)
            ranking = await _found(session, scope, vectors, terms, wanted)
            depth = max(wanted.top_k, _RERANKED if wanted.rerank else 0, _DIVERSIFIED if wanted.diversity else 0)
            passages = await session.passages(ranking.order[:depth])
            alike = await session.alikeness(ranking.order[:depth]) if wanted.diversity else {}
        candidates = len(ranking.order)
        ranking.order = [number for number in ranking.order if number in passages]
        if wanted.rerank:
            degraded.extend(await self._rerank(behalf, ranking, passages, wanted.query))
        if wanted.diversity:
            ranking.order = diversify(ranking.order, alike, wanted.top_k, wanted.diversity)
            ranking.note("diversity", [(number, ranking.scores[number]) for number in ranking.order])
        settings = {index.corpus_id: index.settings for index in indexes}
        hits = [_hit(ranking, number, passages[number]) for number in ranking.order[: wanted.top_k]]
        if wanted.highlight:
            hits = [_marked(hit, terms, settings[hit.passage.corpus_id]) for hit in hits]
        return SearchResult(hits, terms, candidates, tuple(degraded))

    async def _embed(
        self, behalf: OnBehalf, indexes: Sequence[SearchedIndex], wanted: SearchRequest
    ) -> tuple[dict[str, Sequence[float]], list[Degradation]]:
        vectors: dict[str, Sequence[float]] = {}
        degraded: list[Degradation] = []
        models = {index.settings.embedding_model for index in indexes if index.dimensions}
        if not models and not wanted.hybrid:
            degraded.append(
                Degradation("meaning", "no_embeddings", "the corpora have no embeddings: searched by words")
            )
        for model in sorted(filter(None, models)):
            lengths = {index.dimensions for index in indexes if index.settings.embedding_model == model}
            try:
                vector = await self._embedder.embed_query(behalf, model, wanted.query)
                if len(vector) not in lengths:
                    raise ModelRefused(f"its embeddings have {len(vector)} numbers now, those of the corpora {lengths}")
                vectors[model] = vector
            except DcoderError as error:
                if not wanted.hybrid:
                    raise
                degraded.append(Degradation("meaning", error.code, f"{model}: {error.message}"))
        return vectors, degraded

    async def _rerank(
        self,
        behalf: OnBehalf,
        ranking: _Ranking,
        passages: Mapping[int, Passage],
        query: str,
    ) -> list[Degradation]:
        numbers = ranking.order[:_RERANKED]
        if not numbers:
            return []
        try:
            scores = await self._reranker.rerank(behalf, query, [passages[number] for number in numbers])
        except DcoderError as error:
            return [Degradation("rerank", error.code, error.message)]
        judged = dict(zip(numbers, scores, strict=True))
        # What the model judges alike stays in the order that it had.
        ranking.order = sorted(numbers, key=lambda number: -judged[number]) + ranking.order[_RERANKED:]
        ranking.scores.update(judged)
        ranking.note("rerank", [(number, judged[number]) for number in ranking.order if number in judged])
        return []


def _asked_for(found: Sequence[SearchedIndex], corpus_ids: Sequence[str] | None) -> Sequence[SearchedIndex]:
    missing = set(corpus_ids or ()) - {index.corpus_id for index in found}
    if missing:
        raise CorpusNotFound("there is no such corpus", details={"corpusIds": sorted(missing)})
    return found


async def _found(
    session: SearchSession,
    scope: Scope,
    vectors: Mapping[str, Sequence[float]],
    terms: Sequence[str],
    wanted: SearchRequest,
) -> _Ranking:
    """Ask both sides and fuse."""
    count = max(_LEAST_CANDIDATES, wanted.top_k)
    by_words, bm25 = await session.lexical(scope, terms if wanted.hybrid or not vectors else (), count)
    sides = [(side, vectors[model]) for model, length, side in _sides(scope) if len(vectors.get(model, ())) == length]
    by_meaning = [await session.dense(side, vector, count) for side, vector in sides]
    ranking = _Ranking([], {})
    ranking.note("words", by_words)
    for found in by_meaning:
        ranking.note("meaning", found)
    if wanted.fusion == "rrf":
        lists = [[number for number, _ in found] for found in (by_words, *by_meaning)]
        ranking.scores = fusion.reciprocal_ranks(*lists)
    else:
        numbers = sorted({number for found in (by_words, *by_meaning) for number, _ in found})
        words = dict(zip(numbers, bm25.of(numbers), strict=True))
        ranking.scores = await _weighted(session, sides, by_meaning, words, wanted)
    ranking.order = fusion.best_first(ranking.scores)
    ranking.note("fusion", [(number, ranking.scores[number]) for number in ranking.order])
    return ranking


async def _weighted(
    session: SearchSession,
    sides: Sequence[tuple[Scope, Sequence[float]]],
    by_meaning: Sequence[Sequence[tuple[int, float]]],
    words: Mapping[int, float],
    wanted: SearchRequest,
) -> dict[int, float]:
    """Every candidate gets both scores, whichever side found it."""
    similar = []
    for (side, vector), found in zip(sides, by_meaning, strict=True):
        known = dict(found)
        known.update(await session.similarities(side, vector, sorted(words.keys() - known.keys())))
        similar.append(known)
    if not sides:
        share = dict.fromkeys(words, 1.0)
    elif not wanted.hybrid:
        share = dict.fromkeys(words, 0.0)
    else:
        share = fusion.shares(words, await session.code(list(words)), wanted.query, wanted.words_weight)
    return fusion.convex(words, similar, share)


def _sides(scope: Scope) -> list[tuple[str, int, Scope]]:
    """The scope's indexes by embedding model, its length and distance: similarities of one are comparable."""
    groups: dict[tuple[str, str, int], list[SearchedIndex]] = {}
    for index in scope.indexes:
        model = index.settings.embedding_model
        if model and index.dimensions:
            groups.setdefault((model, index.settings.distance, index.dimensions), []).append(index)
    return [
        (
            model,
            length,
            Scope(tuple(own), scope.reader, scope.condition, unrestricted=scope.unrestricted, only=scope.only),
        )
        for (model, _, length), own in sorted(groups.items())
    ]


def _hit(ranking: _Ranking, number: int, passage: Passage) -> Hit:
    return Hit(passage, ranking.scores[number], ranking.stages.get(number, {}))


def _marked(hit: Hit, terms: Sequence[str], settings: IndexSettings) -> Hit:
    chunk = hit.passage.chunk
    return replace(hit, highlights=highlights(chunk.text, terms, analysis_language(chunk, settings)))
