"""GET and PUT /v1/flags."""
