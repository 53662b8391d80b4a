"""Unit tests of functions/agents."""
