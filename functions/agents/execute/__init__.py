"""POST /v1/agents/execute."""
