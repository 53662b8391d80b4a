"""The model doc-chat in OpenAI's format."""
