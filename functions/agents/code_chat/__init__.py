"""The model code-chat in OpenAI's format."""
