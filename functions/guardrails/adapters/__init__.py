"""One module per technology that implements a detector."""
