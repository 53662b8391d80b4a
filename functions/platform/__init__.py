"""Tenants, members, providers, quotas and usage: what operators and tenants' admins manage."""
