"""/v1/prompts: the prompt library."""
