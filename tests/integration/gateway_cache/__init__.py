"""The answer cache on real servers."""
