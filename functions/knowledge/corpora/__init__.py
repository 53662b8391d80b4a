"""/v1/corpora."""
