"""What ingestion needs from the outside, besides what the rest of the context does."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.models import ChunkSettings, Index, Space, Stage, Work
from functions.knowledge.core.reasons import Reason

# A unit of work for each step: what a stage found out is kept though the next one may fail.
Begin = Callable[[], AbstractAsyncContextManager[Any]]
Vector = Sequence[float]


class LeaseLost(Exception):
    """Somebody else has the work now, or it was cancelled or removed; nothing more is to be written."""


@dataclass(frozen=True, slots=True)
class Due:
    """A document for which something can be done now."""

    document_id: str
    corpus_id: str
    job_id: str | None


class Waiting(Protocol):
    """What of a tenant's is left to do, and when."""

    async def due_in(self, space: Space, document_id: str) -> float | None:
        """Seconds until there may be something to do for a document again; None when everything is over."""
        ...

    async def next_due(self, space: Space, besides: Collection[str]) -> Due | None:
        """The tenant's oldest document that something can be done for now and that is none of these."""
        ...

    async def held(self, space: Space) -> bool:
        """Whether anybody holds work of the tenant's."""
        ...


class Ingestions(Waiting, Protocol):
    """What is left to do for documents. Whoever took work holds a lease; a write under another raises LeaseLost."""

    async def take(self, space: Space, document_id: str, seconds: float) -> Work | None:
        """Take something that is to be done for a document, for so long; None when there is nothing to do now."""
        ...

    async def renew(self, space: Space, work: Work, seconds: float) -> None:
        """Go on holding the work for so long."""
        ...

    async def hold(self, space: Space, work: Work) -> Work:
        """Hold the work and its document until the unit of work ends; gives it with the document as it is now."""
        ...

    async def advance(self, space: Space, work: Work, stage: Stage) -> None:
        """Note that the stages before this one are done."""
        ...

    async def finish(self, space: Space, work: Work, chunks: int) -> None:
        """Note that the index has the version."""
        ...

    async def supersede(self, space: Space, work: Work) -> None:
        """Note that a newer version takes its place."""
        ...

    async def fail(self, space: Space, work: Work, reason: Reason, detail: str) -> None:
        """Note that it cannot be done."""
        ...

    async def postpone(self, space: Space, work: Work, reason: Reason, detail: str, until: datetime) -> None:
        """Note what is waited for, and give the work back."""
        ...

    async def release(self, space: Space, work: Work) -> None:
        """Give the work back as it is; nothing happens when it is somebody else's already."""
        ...

    async def lacks(self, space: Space, index: Index) -> bool:
        """Whether an index that is being built still lacks a document that the corpus's active one has."""
        ...


class Parser(Protocol):
    """Reads and cuts documents, each in a limited process. Files of a folder go in and come out.

    Whose document it is decides when it is done: nobody's keep those of others out.

    Raises:
        CannotIngest: the document is in the way.
        DependencyUnavailable: the parsers cannot be started.
    """

    async def parse(self, folder: Path, name: str, media_type: str, settings: ChunkSettings, *, tenant_id: str) -> None:
        """Read `original` into `text` and `blocks` and cut them into `chunks`; a picture into `picture.jpg`, uncut."""
        ...

    async def cut(self, folder: Path, settings: ChunkSettings, *, tenant_id: str) -> None:
        """Cut `text` and `blocks` into `chunks`."""
        ...


class Models(Protocol):
    """The tenant's models, asked through the gateway on somebody's behalf.

    Raises:
        CannotIngest: the model, or whoever asks, is refused.
        NotNow: the tenant's limit is reached, or the provider is away.
    """

    async def embed(self, behalf: OnBehalf, model: str, texts: Sequence[str]) -> Sequence[Vector]:
        """An embedding a text, in their order."""
        ...

    async def describe(self, behalf: OnBehalf, model: str, jpeg: bytes) -> str:
        """What is on a picture."""
        ...


class Embeddings(Protocol):
    """Embeddings that were made before, by the text they are of. Those not asked for during 30 days are forgotten."""

    async def known(self, space: Space, model: str, hashes: Sequence[bytes]) -> Mapping[bytes, Vector]:
        """Those there are of the hashes asked for."""
        ...

    async def keep(self, space: Space, model: str, vectors: Mapping[bytes, Vector]) -> None:
        """Keep some more."""
        ...


class Fetcher(Protocol):
    """Reads public addresses."""

    def check(self, address: str) -> None:
        """Let an address through that may be read, as far as it tells by itself.

        Raises:
            EgressDenied: it may not.
        """
        ...

    def fetch(self, address: str, most_bytes: int) -> AsyncIterator[bytes]:
        """What is there, in pieces.

        Raises:
            CannotIngest: it may not be read, there is nothing, or too much.
            NotNow: whoever is there does not answer now.
        """
        ...
