"""POST /v1/webhooks/logto."""
