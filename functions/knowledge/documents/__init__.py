"""/v1/documents."""
