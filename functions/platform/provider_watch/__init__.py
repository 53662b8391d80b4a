"""On quota.updated: alerts about providers that fail."""
