"""Documents on the wire."""

import base64
import binascii
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, cast

from pydantic import Field, model_validator

from functions.kit.clock import utc_now
from functions.kit.errors import Unprocessable
from functions.kit.models import ApiModel
from functions.kit.patches import Patch
from functions.knowledge.core.add_document import NewDocument, UploadLink
from functions.knowledge.core.documents import DocumentChanges
from functions.knowledge.core.models import DocumentState, DocumentVersion, Stage, Status
from functions.knowledge.wire_types import Content, DocumentName, Groups, Id, Metadata

MediaType = Annotated[
    str, Field(max_length=200, pattern=r"^[\x20-\x7e]*$", description="A hint; what it really is, its content tells.")
]
_SOURCES = ("content", "content_base64", "uri", "upload")


class Description(ApiModel):
    """What is said of a new document besides its content; the fields of a multipart form that are not its file."""

    corpus_id: Id
    name: DocumentName
    media_type: MediaType = ""
    metadata: Metadata | None = None
    groups: Groups | None = None
    job_id: Annotated[Id | None, Field(description="The ingestion job it belongs to.")] = None

    def wanted(self, *, source_uri: str | None = None) -> NewDocument:
        """As the use case takes it."""
        return NewDocument(
            corpus_id=self.corpus_id,
            name=self.name,
            media_type=self.media_type,
            metadata=self.metadata,
            groups=self.groups,
            source_uri=source_uri,
            job_id=self.job_id,
        )


class CreateDocument(Description):
    """A document with its content, or with where it comes from: exactly one of the four."""

    content: Content | None = None
    content_base64: Annotated[str | None, Field(description="The content as bytes in base64.")] = None
    uri: Annotated[
        str | None, Field(max_length=4000, description="A public http or https address that ingestion reads.")
    ] = None
    upload: Annotated[bool, Field(description="Answer with an address to which the content is then PUT.")] = False

    @model_validator(mode="after")
    def _has_one_source(self) -> "CreateDocument":
        if sum(bool((name == "upload" and self.upload) or (name != "upload" and getattr(self, name) is not None))
               for name in _SOURCES) != 1:  # fmt: skip
            raise ValueError("give exactly one of content, contentBase64, uri and upload")
        return self

    def body(self) -> AsyncIterator[bytes]:
        """The content that was given.

        Raises:
            Unprocessable: it is not base64.
        """
        try:
            content = (
                base64.b64decode(self.content_base64, validate=True)
                if self.content_base64 is not None
                else (self.content or "").encode()
            )
        except (binascii.Error, ValueError) as error:
            raise Unprocessable("contentBase64 is not base64", details={"field": "contentBase64"}) from error
        return whole(content)


class UpdateDocument(Patch):
    """What is to change; the content changes by sending a document of the same name."""

    metadata: Metadata | None = None
    groups: Groups | None = None

    def changes(self) -> DocumentChanges:
        """As the use case takes them."""
        return cast("DocumentChanges", self.given())


class CompleteUpload(ApiModel):
    """An upload that has ended."""

    version_id: Id
    job_id: Id | None = None


class Upload(ApiModel):
    """Where a document's content is to be sent, before `complete` is called."""

    url: Annotated[str, Field(description="PUT the content there, without any credential.")]
    version_id: str
    expires_at: datetime


class Document(ApiModel):
    """A document and how its newest version stands in the index that searches use."""

    id: str
    corpus_id: str
    name: str
    source_uri: str | None
    metadata: Metadata
    groups: list[str]
    version: Annotated[int, Field(description="Number of the newest version that is to be indexed.")]
    media_type: Annotated[str, Field(description="What was said when it was sent.")]
    content_hash: Annotated[str | None, Field(description="SHA-256 as hex; null until the content is there.")]
    size: Annotated[int | None, Field(description="In bytes.")]
    status: Status
    stage: Annotated[Stage | None, Field(description="What is being done, or where it failed.")]
    reason: Annotated[str | None, Field(description="Stable code of what is wrong, or of what is waited for.")]
    detail: str | None
    retry_at: datetime | None
    chunks: Annotated[int | None, Field(description="How many passages it has.")]
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    deduplicated: Annotated[
        bool, Field(description="The corpus had this content already, under the same access list; nothing was added.")
    ] = False
    upload: Upload | None = None

    @classmethod
    def of(cls, state: DocumentState, *, deduplicated: bool = False, link: UploadLink | None = None) -> "Document":
        """From the use case's."""
        document, version, progress = state.document, state.version, state.progress
        return cls(
            id=document.id,
            corpus_id=document.corpus_id,
            name=document.name,
            source_uri=document.source_uri,
            metadata=dict(document.metadata),
            groups=list(document.groups),
            version=document.version,
            media_type=version.media_type if version else "",
            content_hash=version.content_hash if version else None,
            size=version.size if version else None,
            status=progress.status,
            stage=progress.stage,
            reason=progress.reason,
            detail=progress.detail,
            retry_at=progress.retry_at,
            chunks=progress.chunks,
            created_by=document.created_by,
            created_at=document.created_at,
            updated_at=document.updated_at,
            deduplicated=deduplicated,
            upload=link
            and Upload(
                url=link.url, version_id=link.version.id, expires_at=utc_now() + timedelta(seconds=link.seconds)
            ),
        )


class Version(ApiModel):
    """One content that a document has had."""

    id: str
    number: int
    media_type: str
    content_hash: str | None
    size: int | None
    created_at: datetime

    @classmethod
    def of(cls, version: DocumentVersion) -> "Version":
        """From the use case's."""
        return cls.model_validate(version, from_attributes=True)


class Versions(ApiModel):
    """All of them, newest first."""

    items: list[Version]


class Passage(ApiModel):
    """Part of a document's parsed text; what citations point into."""

    document_id: str
    start: int
    end: int
    text: str


async def whole(content: bytes) -> AsyncIterator[bytes]:
    """A content that is at hand, as one piece."""
    yield content
