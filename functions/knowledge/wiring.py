"""The composition root of managing corpora; all that is done is done within the request's unit of work."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from functions.kit.database import UnitOfWork
from functions.kit.egress import EgressPolicy
from functions.kit.runtime import Runtime
from functions.kit.tenancy import TenantDirectory
from functions.knowledge.adapters.objects import S3Storage
from functions.knowledge.adapters.outbox import OutboxEvents
from functions.knowledge.adapters.postgres_chunks import PostgresChunkStore
from functions.knowledge.adapters.postgres_corpora import PostgresCorpora
from functions.knowledge.adapters.postgres_documents import PostgresDocuments
from functions.knowledge.adapters.postgres_jobs import PostgresJobs
from functions.knowledge.core.add_document import AddDocument
from functions.knowledge.core.corpora import ManageCorpora
from functions.knowledge.core.documents import ManageDocuments
from functions.knowledge.core.indexes import ManageIndexes
from functions.knowledge.core.jobs import ManageJobs

# How long an upload's address is good, where the object store's sessions last as long.
_LINK_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The use cases of managing what there is to search.

    Attributes:
        egress: which addresses documents may be fetched from.
        runtime: begins units of work for what goes on after a request's own has ended.
    """

    corpora: ManageCorpora
    documents: ManageDocuments
    add_document: AddDocument
    indexes: ManageIndexes
    jobs: ManageJobs
    tenants: TenantDirectory
    egress: EgressPolicy
    runtime: Runtime

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """A unit of work of its own."""
        return UnitOfWork(self.runtime.databases)


@asynccontextmanager
async def knowledge(runtime: Runtime) -> AsyncIterator[Knowledge]:
    """Wire them."""
    settings = runtime.settings
    corpora, documents, jobs = PostgresCorpora(), PostgresDocuments(), PostgresJobs()
    chunks, events, storage = PostgresChunkStore(), OutboxEvents(), S3Storage(runtime.objects)
    yield Knowledge(
        corpora=ManageCorpora(corpora, chunks, events),
        documents=ManageDocuments(corpora, documents, jobs, chunks=chunks, storage=storage, events=events),
        add_document=AddDocument(
            corpora,
            documents,
            jobs,
            storage=storage,
            events=events,
            most_bytes=settings.ingestion_document_bytes,
            link_seconds=min(_LINK_SECONDS, int(runtime.objects.longest_link().total_seconds())),
        ),
        indexes=ManageIndexes(corpora, jobs, chunks, events),
        jobs=ManageJobs(corpora, jobs, events),
        tenants=runtime.tenants,
        egress=EgressPolicy.of(settings.egress_allow),
        runtime=runtime,
    )
