"""/v1/tenants/{tenantId}/groups and who is in them."""
