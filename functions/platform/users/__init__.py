"""/v1/tenants/{tenantId}/users."""
