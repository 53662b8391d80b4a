"""Flags without any server."""
