"""On audit.recorded."""
