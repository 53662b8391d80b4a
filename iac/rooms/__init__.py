"""One module per room: from the stack's configuration to the objects of that room."""
