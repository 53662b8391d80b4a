from hypothesis import given
from hypothesis import strategies as st

from local.simulator import tokens

TEXT = st.text(max_size=200)


def test_counts_words_by_six_characters_and_punctuation_singly() -> None:
    assert tokens.count("Hello, world!") == 4
    assert tokens.count("internationalisation") == 4
    assert tokens.count(" \n\t") == 0


@given(TEXT)
def test_words_are_the_text_and_their_tokens_add_up(text: str) -> None:
    words = tokens.words(text)
    assert "".join(words) == text
    assert sum(map(tokens.count, words)) == tokens.count(text)


@given(TEXT, st.integers(1, 5))
def test_fragments_are_the_text_and_their_tokens_add_up(text: str, size: int) -> None:
    fragments = list(tokens.fragments(text, size))
    assert "".join(fragments) == text
    assert sum(map(tokens.count, fragments)) == tokens.count(text)


@given(TEXT, st.integers(0, 50))
def test_first_is_the_start_with_that_many_tokens(text: str, limit: int) -> None:
    start = tokens.first(text, limit)
    assert text.startswith(start)
    assert tokens.count(start) == min(limit, tokens.count(text))
