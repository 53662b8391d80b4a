"""On flag.updated: who registered an address is told."""
