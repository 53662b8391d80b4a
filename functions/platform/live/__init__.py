"""GET /v1/tenants/{tenantId}/live and GET /v1/live."""
