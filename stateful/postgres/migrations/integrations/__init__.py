"""What a tenant connects with other systems, in its database."""
