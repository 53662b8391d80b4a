"""Knowledge: corpora, documents, ingestion, indexes, search and grounded answers."""
