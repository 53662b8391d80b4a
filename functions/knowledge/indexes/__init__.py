"""/v1/indexes."""
