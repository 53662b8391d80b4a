"""Looks for events that stay in an outbox."""
