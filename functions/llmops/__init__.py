"""What tenants tell models, and how it is managed: the prompt library."""
