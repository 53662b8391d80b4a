"""The gateway's wires against the provider simulator."""
