"""The parts of the embedded stack: how each is prepared, started, asked for its health and stopped."""
