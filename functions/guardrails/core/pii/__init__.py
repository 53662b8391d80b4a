"""Personal data that can be told by its form: patterns, checksums and the words around them."""
