"""Forgets findings that are too old."""
