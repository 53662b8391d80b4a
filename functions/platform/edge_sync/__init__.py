"""On every event about tenants, their users and keys: tenants to the edge."""
