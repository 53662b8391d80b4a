"""POST and GET /v1/tenants, GET and PATCH /v1/tenants/{tenantId}."""
