"""PUT and GET /v1/tenants/{tenantId}/providers, POST …/{name}/test."""
