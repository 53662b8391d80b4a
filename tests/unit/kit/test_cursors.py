"""Cursors come back as they went out, and nothing else is accepted."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest


@given(
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=50),
    st.integers(min_value=-(2**53), max_value=2**53),
)
def test_round_trip(text: str, number: int) -> None:
    assert decode_cursor(encode_cursor(text, number), str, int) == (text, number)


@given(st.text(max_size=80))
def test_any_text_is_a_cursor_or_a_clear_refusal(text: str) -> None:
    with suppress(InvalidRequest):
        assert len(decode_cursor(text, str)) == 1


def test_a_cursor_of_another_listing_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(encode_cursor("a"), str, str)
    with pytest.raises(InvalidRequest):
        decode_cursor(encode_cursor(1), str)


@pytest.mark.parametrize(
    ("text", "kind"), [("[9223372036854775808]", int), ('["\\ud800"]', str), ('["\\u0000"]', str), ("[" * 5_000, str)]
)
def test_what_the_database_cannot_compare_with_is_refused(text: str, kind: type[int] | type[str]) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(base64.urlsafe_b64encode(text.encode()).decode(), kind)
