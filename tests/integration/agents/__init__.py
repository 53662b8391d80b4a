"""Agents: their tools, and what they execute."""
