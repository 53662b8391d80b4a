"""Deletes old rows in every database."""
