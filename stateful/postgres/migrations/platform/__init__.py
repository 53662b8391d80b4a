"""Tenants, providers and usage, and what the platform publishes of them."""
