"""Token counts as the models bill them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.gateway.core.tokens import count_tokens, counter, tokenizer_of


@pytest.mark.parametrize(
    ("model", "text", "tokens"),
    [
        # OpenAI's cookbook: "How to count tokens with tiktoken".
        ("gpt-4o", "tiktoken is great!", 6),
        ("gpt-4", "tiktoken is great!", 6),
        ("gpt-4o", "2 + 2 = 4", 7),
        ("gpt-4", "antidisestablishmentarianism", 6),
        ("gpt-4", "お誕生日おめでとう", 9),
        ("gpt-4o", "お誕生日おめでとう", 8),
        ("gpt-4o", "", 0),
    ],
)
def test_known_counts(model: str, text: str, tokens: int) -> None:
    assert count_tokens(text, model) == tokens


@pytest.mark.parametrize(
    ("model", "vocabulary", "exact"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base", True),
        ("openai/gpt-5.2", "o200k_base", True),
        ("gpt-4-turbo", "cl100k_base", True),
        ("gpt-3.5-turbo", "cl100k_base", True),
        ("ft:gpt-4o:acme::1", "o200k_base", True),
        ("o3-mini", "o200k_base", True),
        ("text-embedding-3-small", "cl100k_base", True),
        ("openai/gpt-oss-120b", "o200k_base", True),
        ("claude-sonnet-4-5", "o200k_base", False),
        ("gemini-2.5-pro", "o200k_base", False),
        ("llama-3.3-70b-versatile", "cl100k_base", False),
        ("somebody/brand-new-model", "o200k_base", False),
        ("", "o200k_base", False),
    ],
)
def test_vocabulary_of_a_model(model: str, vocabulary: str, exact: bool) -> None:
    tokenizer = tokenizer_of(model)
    assert (tokenizer.vocabulary, tokenizer.exact) == (vocabulary, exact)


def test_other_vendors_cut_finer() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20
    assert (
        count_tokens(text, "gpt-4o") < count_tokens(text, "claude-sonnet-4-5") < count_tokens(text, "claude-opus-4-8")
    )


def test_special_tokens_in_a_users_text_are_text() -> None:
    assert count_tokens("<|endoftext|>", "gpt-4o") > 1


def test_lone_surrogates_count_as_replacement_characters() -> None:
    assert count_tokens("a\ud800b", "gpt-4o") == count_tokens("a?b", "gpt-4o")


def test_many_threads_agree() -> None:
    texts = [f"text number {number} " * number for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(counter("gpt-4o"), texts))
    assert together == [count_tokens(text, "gpt-4o") for text in texts]


def test_a_megabyte_is_counted_as_its_sentences_are() -> None:
    # Merging pieces in quadratic time would meet every test's time limit.
    sentence = "Tokens are pieces of words, and this is a sentence of them."
    of_one = count_tokens(sentence, "gpt-4o")
    assert abs(count_tokens(f"{sentence} " * 20_000, "gpt-4o") - 20_000 * of_one) <= 2


def test_text_longer_than_one_chunk() -> None:
    text = "word " * 900_000
    assert abs(count_tokens(text, "gpt-4o") - 900_000) <= 2
