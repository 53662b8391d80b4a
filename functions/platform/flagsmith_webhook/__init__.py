"""POST /v1/webhooks/flagsmith."""
