"""The platform context without servers."""
