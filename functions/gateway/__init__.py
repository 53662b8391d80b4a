"""LLM calls: routing, cache, metering."""
