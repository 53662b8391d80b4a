"""Tests of functions/guardrails."""
