"""Trains the prompt-injection classifier, by `python -m functions.guardrails.training`, on data it writes itself."""
