"""Migrations on a real Postgres."""
