"""Flags on real servers."""
