"""POST /v1/search."""
