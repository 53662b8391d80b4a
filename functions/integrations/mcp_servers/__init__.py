"""PUT, GET and DELETE /v1/tenants/{tenantId}/mcp-servers."""
