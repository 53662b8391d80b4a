"""A stand-in for the four LLM providers that speaks their wire formats and counts what it bills."""
