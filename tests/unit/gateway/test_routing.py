"""Which provider a model name means."""

import pytest

from functions.gateway.core.errors import ModelNotFound, ProviderNotConfigured
from functions.gateway.core.models import Provider
from functions.gateway.core.routing import resolve


def provider(name: str, *models: str) -> Provider:
    return Provider(name, "openai", "https://api.openai.com/v1", "key", models)


def test_a_full_name_names_the_provider() -> None:
    providers = [provider("a", "m"), provider("b", "m")]
    target = resolve("b/m", providers, {})
    assert (target.provider.name, target.model) == ("b", "m")


def test_a_bare_name_goes_to_who_lists_it_first() -> None:
    providers = [provider("open"), provider("a", "m"), provider("b", "m")]
    assert resolve("m", providers, {}).provider.name == "a"


def test_a_bare_name_goes_to_the_only_open_provider() -> None:
    assert resolve("anything", [provider("a", "m"), provider("open")], {}).provider.name == "open"


def test_a_slash_that_names_no_provider_belongs_to_the_model() -> None:
    target = resolve("meta-llama/llama-4", [provider("groq")], {})
    assert (target.provider.name, target.model) == ("groq", "meta-llama/llama-4")


@pytest.mark.parametrize("model", ["x", "a/x", "a/", "b/m", "/m", "a/m/"])
def test_what_nobody_offers_is_not_found(model: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        resolve(model, [provider("a", "m")], {})
    assert caught.value.details == {"models": ["a/m"]}


def test_two_open_providers_are_ambiguous() -> None:
    with pytest.raises(ModelNotFound, match="provider/model"):
        resolve("m", [provider("a"), provider("b")], {})


def test_without_a_provider_the_message_says_how_to_add_one() -> None:
    with pytest.raises(ProviderNotConfigured, match="PUT /v1/tenants"):
        resolve("m", [], {})


def test_a_key_is_not_in_a_repr() -> None:
    assert "key" not in repr(Provider("a", "openai", "https://x", "sk-key-123")).replace("api_key", "")
