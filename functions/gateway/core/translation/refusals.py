"""Refuses, in words the caller can act on, what a provider has no equal for. Nothing is dropped silently."""

from functions.gateway.core.errors import ProviderRejected


def refuse(field: str, why: str) -> ProviderRejected:
    """The 400 that names the field of the request, e.g. `messages[2].content[0].image_url`."""
    return ProviderRejected(f"{field}: {why}", details={"field": field})
