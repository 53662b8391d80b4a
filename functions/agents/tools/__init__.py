"""GET and PUT /v1/agents/tools."""
