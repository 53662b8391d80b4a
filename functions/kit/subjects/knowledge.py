"""What is said of documents."""

from typing import ClassVar

from pydantic import Field

from functions.kit.events import EventData


class DocumentUploaded(EventData):
    """A document has a new version, which is to be indexed."""

    subject: ClassVar[str] = "document.uploaded"
    tenant_id: str
    corpus_id: str
    document_id: str
    job_id: str | None = Field(None, description="The ingestion job it belongs to.")


class DocumentQueued(EventData):
    """A document that is there already is to be indexed: again, or in another index."""

    subject: ClassVar[str] = "document.queued"
    tenant_id: str
    corpus_id: str
    document_id: str
    job_id: str | None = Field(None, description="The ingestion job it belongs to.")


class DocumentIndexed(EventData):
    """A version of a document can be found in an index."""

    subject: ClassVar[str] = "document.indexed"
    tenant_id: str
    corpus_id: str
    document_id: str
    version: int
    index_id: str
    chunks: int = Field(ge=0, description="How many passages it has.")


class DocumentFailed(EventData):
    """A version of a document cannot be indexed; what the index had of the document before stays."""

    subject: ClassVar[str] = "document.failed"
    tenant_id: str
    corpus_id: str
    document_id: str
    version: int
    index_id: str
    reason: str = Field(description="Stable code of what is wrong, such as `encrypted`.")
    detail: str


class DocumentDeleted(EventData):
    """A document, or a corpus with all its documents, was removed."""

    subject: ClassVar[str] = "document.deleted"
    tenant_id: str
    corpus_id: str
    document_id: str | None = Field(description="Null for the whole corpus.")
    versions: list[str] = Field(description="Ids of the versions that the document had.")
