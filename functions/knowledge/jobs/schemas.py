"""Ingestion jobs on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from functions.kit.models import ApiModel
from functions.knowledge.core.models import Job as StoredJob
from functions.knowledge.core.models import JobItem as StoredItem
from functions.knowledge.core.models import Stage, Status
from functions.knowledge.documents.schemas import MediaType
from functions.knowledge.wire_types import Content, DocumentName, Groups, Id, Metadata


class JobDocument(ApiModel):
    """A document of a new job: with its content as text, or the address it is read from."""

    name: DocumentName
    media_type: MediaType = ""
    metadata: Metadata | None = None
    groups: Groups | None = None
    content: Content | None = None
    uri: Annotated[str | None, Field(max_length=4000)] = None


class CreateJob(ApiModel):
    """A job; further documents join it by naming it when they are added."""

    corpus_id: Id
    documents: Annotated[list[JobDocument], Field(default_factory=list, max_length=200)]


class Job(ApiModel):
    """Documents that are ingested together."""

    id: str
    corpus_id: str
    index_id: Annotated[str | None, Field(description="The index it builds; null where it adds documents.")]
    kind: Literal["upload", "reindex"]
    status: Annotated[
        Literal["running", "completed", "cancelled"],
        Field(description="`completed`: nothing is left to do; some documents may have failed."),
    ]
    total: int
    counts: Annotated[dict[str, int], Field(description="How many documents there are of each status.")]
    waiting_for: Annotated[list[str], Field(description="What documents wait for, such as `quota_exceeded`.")]
    created_by: str | None
    created_at: datetime
    cancelled_at: datetime | None

    @classmethod
    def of(cls, job: StoredJob) -> "Job":
        """From the use case's."""
        return cls(
            id=job.id,
            corpus_id=job.corpus_id,
            index_id=job.index_id,
            kind=job.kind,
            status=job.status,
            total=sum(job.counts.values()),
            counts={str(status): count for status, count in job.counts.items()},
            waiting_for=list(job.waiting_for),
            created_by=job.created_by,
            created_at=job.created_at,
            cancelled_at=job.cancelled_at,
        )


class JobItem(ApiModel):
    """One document of a job, in one index."""

    document_id: str
    name: str
    version: int
    index_id: str
    status: Status
    stage: Stage | None
    reason: str | None
    detail: str | None
    retry_at: datetime | None
    chunks: int | None
    updated_at: datetime

    @classmethod
    def of(cls, item: StoredItem) -> "JobItem":
        """From the use case's."""
        progress = item.progress
        return cls(
            document_id=item.document_id,
            name=item.name,
            version=item.version,
            index_id=item.index_id,
            status=progress.status,
            stage=progress.stage,
            reason=progress.reason,
            detail=progress.detail,
            retry_at=progress.retry_at,
            chunks=progress.chunks,
            updated_at=item.updated_at,
        )
