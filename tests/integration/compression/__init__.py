"""Compression through the edge."""
