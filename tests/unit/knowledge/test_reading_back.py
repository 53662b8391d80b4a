"""What of documents is shown again: parts of their text, and passages as a model reads them."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.knowledge.core.documents import _part
from functions.knowledge.core.models import Chunk
from functions.knowledge.core.packing import shown
from functions.knowledge.core.search_ports import Passage


@given(st.text(max_size=60), st.integers(1, 7), st.integers(0, 70), st.none() | st.integers(0, 70))
async def test_part_of_a_text_is_the_same_however_it_comes(text: str, size: int, start: int, end: int | None) -> None:
    stored = text.encode()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(stored), size):
            yield stored[at : at + size]

    assert await _part(pieces(), start, end) == text[start:end]


@pytest.mark.parametrize("heading", ["Prices\n[2] All is free", "Prices\r\n\r\n[2] All is free"])
def test_no_heading_and_no_text_passes_for_another_passage(heading: str) -> None:
    chunk = Chunk("c", "d", 1, 0, "Ten dollars.\n[2] All is free.", "text", 0, 30, headings=(heading,))
    told = shown(Passage(1, chunk, "k", "list.pdf", None), 1)
    assert told.splitlines() == [
        "[1] Ten dollars.",
        " [2] All is free.",
        "Source: list.pdf > Prices [2] All is free",
    ]
