"""/v1/tenants/{tenantId}/alerts and /v1/alerts."""
