"""Indexes on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, model_validator

from functions.kit.models import ApiModel
from functions.knowledge.core.models import ChunkSettings, ChunkStrategy, Distance, IndexSettings, IndexStatus
from functions.knowledge.core.models import Index as StoredIndex
from functions.knowledge.wire_types import Id, Model


class Chunking(ApiModel):
    """How documents are cut; docs/knowledge.md explains the strategies."""

    strategy: ChunkStrategy = "structure"
    max_tokens: Annotated[int, Field(ge=32, le=2048)] = 256
    overlap_tokens: Annotated[int, Field(ge=0, le=512)] = 32

    @model_validator(mode="after")
    def _overlap_is_the_smaller_part(self) -> "Chunking":
        if self.overlap_tokens * 2 > self.max_tokens:
            raise ValueError("overlapTokens may be half of maxTokens")
        return self


class Settings(ApiModel):
    """What an index is built by."""

    chunking: Chunking = Chunking()
    embedding_model: Annotated[
        Model | None,
        Field(description="`provider/model`, asked through the gateway; null for an index of words alone."),
    ] = None
    caption_model: Annotated[
        Model | None, Field(description="Describes pictures; null where they are not to be indexed.")
    ] = None
    language: Annotated[
        str,
        Field(
            pattern=r"^(auto|[a-z]{2})$", description="ISO 639-1 for stemming and stop words, or found per document."
        ),
    ] = "auto"
    distance: Distance = "cosine"

    def wanted(self) -> IndexSettings:
        """As the use case takes them."""
        return IndexSettings(
            chunking=ChunkSettings(self.chunking.strategy, self.chunking.max_tokens, self.chunking.overlap_tokens),
            embedding_model=self.embedding_model,
            caption_model=self.caption_model,
            language=self.language,
            distance=self.distance,
        )


class CreateIndex(ApiModel):
    """An index that is to take the active one's place."""

    corpus_id: Id
    settings: Settings = Settings()


class Index(ApiModel):
    """A corpus as it is searched."""

    id: str
    corpus_id: str
    settings: Settings
    status: Annotated[
        IndexStatus, Field(description="`building` beside the active one; `retired` once another took its place.")
    ]
    dimensions: Annotated[int | None, Field(description="Length of its embeddings, once there are any.")]
    created_at: datetime
    activated_at: datetime | None
    chunks: Annotated[int | None, Field(description="How many passages it has; null in listings.")] = None
    job_id: Annotated[str | None, Field(description="The job that builds it, told when it is made.")] = None

    @classmethod
    def of(cls, index: StoredIndex, *, chunks: int | None = None, job_id: str | None = None) -> "Index":
        """From the use case's."""
        settings = Settings.model_validate(index.settings)
        return cls(
            id=index.id,
            corpus_id=index.corpus_id,
            settings=settings,
            status=index.status,
            dimensions=index.dimensions,
            created_at=index.created_at,
            activated_at=index.activated_at,
            chunks=chunks,
            job_id=job_id,
        )
