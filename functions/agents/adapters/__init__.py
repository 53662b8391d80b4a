"""What the context's ports are made of."""
