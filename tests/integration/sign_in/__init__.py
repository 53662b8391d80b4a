"""Sign-in through the edge, as browsers do it."""
