"""The guardrails' rules, free of frameworks and drivers."""
