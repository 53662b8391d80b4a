"""GET /v1/tenants/{tenantId}/kpis and GET /v1/kpis."""
