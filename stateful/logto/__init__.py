"""Logto: what the platform needs of it as a declaration, and the command that brings a server in line with it."""
