"""Corpora, documents, indexes and ingestion, in each tenant's database."""
