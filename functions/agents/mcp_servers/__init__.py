"""MCP servers that a tenant's agents may use."""
