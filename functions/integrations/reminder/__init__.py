"""Asks again for documents that nobody comes to read."""
