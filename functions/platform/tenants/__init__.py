"""POST and GET /v1/tenants, GET /v1/tenants/{tenantId}."""
