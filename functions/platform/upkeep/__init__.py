"""Every five minutes: providers with an alert are looked at again, and what is no longer needed is forgotten."""
