"""Postgres: schema histories and how they are applied."""
