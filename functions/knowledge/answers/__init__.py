"""POST /v1/answers."""
