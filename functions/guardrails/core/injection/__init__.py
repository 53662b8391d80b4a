"""Prompt injection: what words mean to an attack, rules over those meanings, and a linear classifier."""
