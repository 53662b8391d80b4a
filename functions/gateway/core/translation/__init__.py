"""Translation between OpenAI's chat format, which the gateway speaks inside, and the other providers'."""
