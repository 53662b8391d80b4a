"""GET /v1/audit and /v1/audit/checkpoints."""
