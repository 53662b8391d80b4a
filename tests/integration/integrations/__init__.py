"""MCP servers made of OpenAPI documents, through the edge."""
