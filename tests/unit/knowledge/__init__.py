"""The knowledge context's pure parts."""
