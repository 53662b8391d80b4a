"""Every API handler and event consumer, one folder a bounded context."""
