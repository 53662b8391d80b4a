"""Searches on the wire."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from functions.kit.models import ApiModel
from functions.knowledge.core.fusion import Fusion
from functions.knowledge.core.highlights import Highlight as FoundHighlight
from functions.knowledge.core.search import Degradation, Hit, SearchRequest, SearchResult, Stage
from functions.knowledge.core.search_ports import Passage
from functions.knowledge.filter_schemas import Filter
from functions.knowledge.wire_types import Id

Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000, pattern=r"^[^\x00]*$")]
CorpusIds = Annotated[
    list[Id] | None,
    Field(min_length=1, max_length=50, description="The corpora to search; null for all that the caller may read."),
]


class SearchQuery(ApiModel):
    """What to search for."""

    query: Query
    corpus_ids: CorpusIds = None
    filters: Filter | None = None
    top_k: Annotated[int, Field(ge=1, le=200)] = 10
    hybrid: Annotated[bool, Field(description="By words and by meaning; false for meaning alone.")] = True
    fusion: Annotated[Fusion, Field(description="How both sides are put into one order.")] = "weighted"
    words_weight: Annotated[
        float | None,
        Field(ge=0, le=1, description="The words' share in the weighted fusion; null leaves it to the passage's kind."),
    ] = None
    rerank: Annotated[bool, Field(description="Have a model grade the best passages.")] = False
    diversity: Annotated[float, Field(ge=0, le=1, description="How much what repeats others is passed over.")] = 0.0
    highlights: bool = True
    explain: Annotated[bool, Field(description="Tell each stage's rank and score.")] = False

    def wanted(self) -> SearchRequest:
        """As the use case takes it."""
        return SearchRequest(
            query=self.query,
            corpus_ids=self.corpus_ids,
            condition=self.filters.condition() if self.filters else None,
            top_k=self.top_k,
            hybrid=self.hybrid,
            fusion=self.fusion,
            words_weight=self.words_weight,
            rerank=self.rerank,
            diversity=self.diversity,
            highlight=self.highlights,
        )


class Highlight(ApiModel):
    """A part of the passage that has the query's words."""

    text: str
    start: Annotated[int, Field(description="Where it begins in the passage, in characters.")]
    marks: Annotated[list[tuple[int, int]], Field(description="Start and end within it of each word that was found.")]

    @classmethod
    def of(cls, found: FoundHighlight) -> "Highlight":
        """From the use case's."""
        return cls(text=found.text, start=found.start, marks=list(found.marks))


class StageStanding(ApiModel):
    """Where the passage stood at a stage, and the score that it had there."""

    rank: int
    score: float


class FoundPassage(ApiModel):
    """A passage."""

    chunk_id: str
    document_id: str
    document_name: str
    corpus_id: str
    version: int
    text: str
    kind: str
    source_uri: str | None
    headings: list[str]
    page: int | None
    path: str
    symbol: str
    line_start: int | None
    line_end: int | None
    char_start: Annotated[int, Field(description="Where it begins in the document's text, in characters.")]
    char_end: int
    metadata: dict[str, Any]

    @classmethod
    def fields(cls, passage: Passage) -> dict[str, Any]:
        """What a passage says of itself."""
        chunk = passage.chunk
        names = ("document_id", "version", "text", "kind", "page", "path", "symbol", "line_start", "line_end")
        return {
            **{name: getattr(chunk, name) for name in (*names, "char_start", "char_end")},
            "chunk_id": chunk.id,
            "document_name": passage.document_name,
            "corpus_id": passage.corpus_id,
            "source_uri": passage.source_uri,
            "headings": list(chunk.headings),
            "metadata": dict(passage.document_metadata),
        }


class SearchHit(FoundPassage):
    """A passage that was found."""

    score: Annotated[float, Field(description="Only comparable within one answer.")]
    highlights: list[Highlight]
    stages: dict[Stage, StageStanding] | None = None

    @classmethod
    def of(cls, hit: Hit, *, explain: bool) -> "SearchHit":
        """From the use case's."""
        stages = {stage: StageStanding(rank=at.rank, score=at.score) for stage, at in hit.stages.items()}
        return cls(
            **cls.fields(hit.passage),
            score=hit.score,
            highlights=[Highlight.of(found) for found in hit.highlights],
            stages=stages if explain else None,
        )


class LeftOut(ApiModel):
    """A stage that was left out; `code` is that of the error that kept it."""

    stage: str
    code: str
    message: str

    @classmethod
    def of(cls, degradation: Degradation) -> "LeftOut":
        """From the use case's."""
        return cls(stage=degradation.stage, code=degradation.code, message=degradation.message)


class SearchAnswer(ApiModel):
    """What was found, best first."""

    hits: list[SearchHit]
    degraded: list[LeftOut]
    terms: Annotated[list[str] | None, Field(description="What was looked for among the words.")] = None
    candidates: Annotated[int | None, Field(description="How many passages the last stages chose from.")] = None

    @classmethod
    def of(cls, result: SearchResult, *, explain: bool) -> "SearchAnswer":
        """From the use case's."""
        return cls(
            hits=[SearchHit.of(hit, explain=explain) for hit in result.hits],
            degraded=[LeftOut.of(degradation) for degradation in result.degraded],
            terms=list(result.terms) if explain else None,
            candidates=result.candidates if explain else None,
        )
