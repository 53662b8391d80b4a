"""POST /v1/responses; GET and DELETE of what would be kept."""
