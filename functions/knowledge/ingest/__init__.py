"""On document.uploaded and document.queued: documents into indexes; on document.deleted: objects away."""
