"""/v1/tenants/{tenantId}/api-keys."""
