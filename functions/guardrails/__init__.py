"""Prompt injection, personal data and secrets in what goes to a model and comes back: detected, never blocked."""
