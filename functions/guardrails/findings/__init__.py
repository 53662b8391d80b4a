"""/v1/tenants/{tenantId}/guardrails and what they found."""
