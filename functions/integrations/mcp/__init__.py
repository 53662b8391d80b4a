"""/v1/mcp/{server}: a tenant's MCP server."""
