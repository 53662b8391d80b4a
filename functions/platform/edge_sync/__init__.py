"""On tenant.created and tenant.updated: tenants to the edge."""
