"""Guides, decisions, and the generators of the reference pages."""
