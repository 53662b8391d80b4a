"""Flagsmith: the platform's flags as a declaration, and the command that brings a server in line with it."""
