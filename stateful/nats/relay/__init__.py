"""Carries to NATS what became true elsewhere: outbox rows in Postgres and usage records in Redis."""
