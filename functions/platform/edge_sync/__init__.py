"""On every event about tenants, their users, keys and limits: tenants to the edge."""
