"""GET /v1/tenants/{tenantId}/usage."""
