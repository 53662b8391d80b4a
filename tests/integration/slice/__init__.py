"""The vertical slice on the running platform."""
