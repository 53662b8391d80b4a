"""Money is integers, and a dated release costs what its family does."""

from functions.gateway.core.models import Usage
from functions.gateway.core.prices import load_prices


def test_a_million_tokens_cost_the_listed_price() -> None:
    prices = load_prices()
    assert prices.cost_micro_usd("openai", "gpt-4o-mini", Usage(1_000_000, 0)) == 150_000
    assert prices.cost_micro_usd("openai", "gpt-4o-mini", Usage(0, 1_000_000)) == 600_000


def test_the_longest_family_name_wins() -> None:
    prices = load_prices()
    assert prices.find("openai", "gpt-4o-mini-2024-07-18") == prices.find("openai", "gpt-4o-mini")
    assert prices.find("openai", "gpt-4o-2024-08-06") == prices.find("openai", "gpt-4o")
    assert prices.find("vertex", "gemini-2.5-pro") == prices.find("google", "gemini-2.5-pro")


def test_a_model_without_a_price_costs_nothing() -> None:
    assert load_prices().cost_micro_usd("openai", "my-own-model", Usage(1000, 1000)) == 0


def test_small_amounts_round_half_up() -> None:
    assert load_prices().cost_micro_usd("openai", "gpt-4o-mini", Usage(3, 0)) == 0
    assert load_prices().cost_micro_usd("openai", "gpt-4o-mini", Usage(4, 0)) == 1
