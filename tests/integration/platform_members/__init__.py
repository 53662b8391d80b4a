"""Tenants' changes, users, groups, API keys and key rotation on the running platform."""
