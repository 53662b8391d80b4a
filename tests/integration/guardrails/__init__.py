"""Guardrails through the edge."""
