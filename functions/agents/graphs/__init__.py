"""GET /v1/agents/graphs."""
