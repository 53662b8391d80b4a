"""What search needs from where chunks are stored."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.filters import Condition
from functions.knowledge.core.models import Chunk, IndexSettings, Reader, Space
from functions.knowledge.core.postings import LexicalScores, Numbers


@dataclass(frozen=True, slots=True)
class SearchedIndex:
    """An active index that the reader may search.

    Attributes:
        dimensions: length of its embeddings; None when it has none.
        languages: those its chunks were analysed in.
        chunks: how many it has.
    """

    id: str
    corpus_id: str
    settings: IndexSettings
    dimensions: int | None
    languages: frozenset[str]
    chunks: int


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the searched indexes may be found.

    Attributes:
        unrestricted: whether that is all of it.
        only: the numbers of all chunks that may be found, ascending, where they are few; None where they are many.
    """

    indexes: tuple[SearchedIndex, ...]
    reader: Reader
    condition: Condition | None = None
    unrestricted: bool = False
    only: Numbers | None = None

    @property
    def index_ids(self) -> list[str]:
        """Ids of the indexes."""
        return [index.id for index in self.indexes]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk with the document it is from."""

    number: int
    chunk: Chunk
    corpus_id: str
    document_name: str
    source_uri: str | None
    document_metadata: Mapping[str, Any] = field(default_factory=dict)
    updated_at: datetime | None = None


class SearchSession(Protocol):
    """One view of a tenant's chunks: whatever is written meanwhile, all that is read here belongs together.

    A chunk is known by its number, unique within the tenant. Access lists bind every method but `passages`,
    `code`, `similarities` and `alikeness`, which tell about chunks that another one has found.
    """

    async def indexes(self, corpus_ids: Sequence[str] | None, reader: Reader) -> list[SearchedIndex]:
        """The active indexes of the corpora that the reader may read; of all of them for None."""
        ...

    async def narrow(self, indexes: Sequence[SearchedIndex], reader: Reader, condition: Condition | None) -> Scope:
        """Find out how much of the indexes may be found."""
        ...

    async def lexical(
        self, scope: Scope, terms: Sequence[str], count: int
    ) -> tuple[list[tuple[int, float]], LexicalScores]:
        """The chunks with the highest BM25, and the BM25 of all chunks whether or not they may be found.

        The statistics are those of the indexes together, whatever the scope is.

        Args:
            terms: distinct.
        """
        ...

    async def dense(self, scope: Scope, vector: Sequence[float], count: int) -> list[tuple[int, float]]:
        """The chunks with the most similar embeddings, with the similarity: cosine, inner product, minus the distance.

        Args:
            scope: all of its indexes have embeddings of one model and one distance.
        """
        ...

    async def similarities(self, scope: Scope, vector: Sequence[float], numbers: Sequence[int]) -> dict[int, float]:
        """The similarity of chunks that were found otherwise; those without an embedding are left out."""
        ...

    async def alikeness(self, numbers: Sequence[int]) -> dict[tuple[int, int], float]:
        """Cosine of the embeddings of each two chunks, the smaller number first; those without one are left out."""
        ...

    async def code(self, numbers: Sequence[int]) -> set[int]:
        """Those of the chunks that are code."""
        ...

    async def passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        """The chunks themselves; those removed meanwhile are left out."""
        ...


class SearchStore(Protocol):
    """Where chunks are searched."""

    def session(self, space: Space) -> AbstractAsyncContextManager[SearchSession]:
        """A view of a tenant's chunks.

        Raises:
            DependencyUnavailable: the store is away.
        """
        ...


class QueryEmbedder(Protocol):
    """Embeds questions by the model that the passages were embedded by."""

    async def embed_query(self, behalf: OnBehalf, model: str, query: str) -> Sequence[float]:
        """The embedding of a question.

        Raises:
            DependencyUnavailable: the gateway or the provider is away, or a limit is reached.
            ModelRefused: the gateway does not take the request.
        """
        ...


class Reranker(Protocol):
    """Grades passages for a query, each by itself or all together."""

    async def rerank(self, behalf: OnBehalf, query: str, passages: Sequence[Passage]) -> Sequence[float]:
        """How well each passage answers; only the order of the grades means something.

        Raises:
            DependencyUnavailable: the model is away, or a limit is reached.
            ModelRefused: the model does not grade.
        """
        ...
