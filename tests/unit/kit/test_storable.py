"""The character zero is told from what only reads like it."""

import orjson
import pytest

from functions.kit.storable import holds_zero


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\\0", "\\\\\0", "\\u0000\0"])
def test_the_character_zero(text: str) -> None:
    assert holds_zero(orjson.dumps([text]))
    assert holds_zero(orjson.dumps({text: 1}))


@pytest.mark.parametrize("text", ["", "u0000", "\\u0000", "[^\\u0000]", "\\\\u0000", "\\" * 100_000, "\x01"])
def test_what_reads_like_it(text: str) -> None:
    assert not holds_zero(orjson.dumps([text]))
