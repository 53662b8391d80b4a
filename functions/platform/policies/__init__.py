"""GET and PUT /v1/tenants/{tenantId}/policies and /v1/policies."""
