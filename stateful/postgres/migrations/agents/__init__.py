"""A tenant's agents, in its database."""
