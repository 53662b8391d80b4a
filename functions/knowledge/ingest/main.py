"""On document.uploaded and document.queued: documents into indexes; on document.deleted: objects away."""

from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import DocumentDeleted, DocumentQueued, DocumentUploaded
from functions.knowledge.wiring_ingestion import Ingestion, ingestion


async def handle_document(use: Ingestion, event: Event) -> None:
    """Do what there is to do for the event's document, whatever the event says: rows tell, events only wake."""
    if event.type == DocumentDeleted.subject:
        deleted = read(DocumentDeleted, event)
        versions = None if deleted.document_id is None else deleted.versions
        await use.clear(await use.space_of(deleted.tenant_id), deleted.corpus_id, versions)
        return
    told = read(DocumentUploaded, event) if event.type == DocumentUploaded.subject else read(DocumentQueued, event)
    await use.ingest(await use.space_of(told.tenant_id), told.document_id)


handle = event_function(ingestion, name="knowledge-ingest", database=None)(handle_document)
