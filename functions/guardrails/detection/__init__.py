"""On llm.completed: examine what was said."""
