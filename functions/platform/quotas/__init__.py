"""GET and PUT /v1/tenants/{tenantId}/quotas."""
