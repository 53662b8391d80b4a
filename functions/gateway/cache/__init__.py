"""The cache looked at, flushed and reported."""
