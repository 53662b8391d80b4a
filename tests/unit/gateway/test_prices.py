"""Money is integers, and a dated release costs what its family does."""

from typing import Any

import pytest

from functions.gateway.core.models import Usage
from functions.gateway.core.prices import load_prices
from functions.gateway.core.streaming import usage_object


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


def test_what_the_provider_s_cache_had_or_kept_costs_what_the_provider_asks_for_it() -> None:
    prices = load_prices()
    million = 1_000_000
    read, kept = Usage(million, 0, cached_prompt_tokens=million), Usage(million, 0, cache_write_tokens=million)
    hour = Usage(million, 0, cache_write_tokens=million, cache_write_hour_tokens=million)
    rates = [prices.cost_micro_usd("anthropic", "claude-sonnet-4-5", usage) for usage in (read, kept, hour)]
    assert rates == [300_000, 3_750_000, 6_000_000]
    assert prices.cost_micro_usd("openai", "gpt-4o", read) == 1_250_000
    assert prices.cost_micro_usd("groq", "llama-3.1-8b-instant", read) == 50_000
    parts = Usage(1000, 10, cached_prompt_tokens=600, cache_write_tokens=300, cache_write_hour_tokens=100)
    assert prices.cost_micro_usd("anthropic", "claude-sonnet-4-5", parts) == 100 * 3 + 180 + 750 + 600 + 150
    assert prices.nano_usd("anthropic", "claude-sonnet-4-5", writes_cache=True) == (6000, 15_000)


def test_a_newer_release_has_its_own_price() -> None:
    assert load_prices().cost_micro_usd("anthropic", "claude-opus-4-5-20251101", Usage(1000, 0)) == 5_000
    assert load_prices().cost_micro_usd("anthropic", "claude-opus-4-1", Usage(1000, 0)) == 15_000


def test_a_long_prompt_makes_all_of_its_call_dearer() -> None:
    prices = load_prices()
    most, above = Usage(100_000, 1000), Usage(100_001, 1000, cached_prompt_tokens=50_000)
    assert prices.cost_micro_usd("anthropic", "claude-haiku-5-5", most) == 10_000 + 500
    assert prices.cost_micro_usd("anthropic", "claude-haiku-5-5", above) == 25_001 + 2_500 + 2_500
    assert prices.nano_usd("anthropic", "claude-haiku-5-5", prompt_tokens=100_001) == (500, 2_500)
    assert prices.cost_micro_usd("vertex", "gemini-2.5-pro", Usage(200_001, 0)) == 500_003


def test_what_openai_keeps_unasked_is_billed_and_reserved_at_its_premium() -> None:
    told = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cache_write_tokens": 400}}
    usage = Usage.of(told)
    assert usage is not None
    assert load_prices().cost_micro_usd("openai", "gpt-5.6-sol", usage) == 600 * 4 + 400 * 5
    assert load_prices().nano_usd("openai", "gpt-5.6-sol")[0] == 5_000
    assert load_prices().nano_usd("anthropic", "claude-opus-5-5")[0] == 4_000


@pytest.mark.parametrize(
    ("details", "read"),
    [
        ({}, (0, 0, 0)),
        ({"prompt_tokens_details": None, "completion_tokens_details": None}, (0, 0, 0)),
        ({"prompt_tokens_details": {"cached_tokens": None}}, (0, 0, 0)),
        ({"prompt_tokens_details": {"cached_tokens": "9"}, "completion_tokens_details": [7]}, (0, 0, 0)),
        ({"prompt_tokens_details": {"cached_tokens": -4}}, (0, 0, 0)),
        ({"prompt_tokens_details": {"cached_tokens": 999, "cache_creation_tokens": 999}}, (100, 0, 0)),
        ({"prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 999}}, (60, 40, 0)),
        ({"completion_tokens_details": {"reasoning_tokens": 999}}, (0, 0, 20)),
    ],
)
def test_details_never_exceed_the_whole(details: dict[str, Any], read: tuple[int, int, int]) -> None:
    usage = Usage.of({"prompt_tokens": 100, "completion_tokens": 20, **details})
    assert usage is not None
    assert (usage.cached_prompt_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == read
    assert (usage.prompt_tokens, usage.completion_tokens) == (100, 20)
    assert Usage.of(usage_object(usage)) == usage
