"""On llm.completed and tool.completed: examine what was said."""
