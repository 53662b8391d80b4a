"""/v1/ingestion-jobs."""
