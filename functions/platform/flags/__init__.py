"""GET and PUT /v1/tenants/{tenantId}/flags; GET, PUT and DELETE /v1/tenants/{tenantId}/flags/webhook."""
