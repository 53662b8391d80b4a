"""Chunks are stretches of the text: none is too long, none is missing, and what they stand under is told."""

import io
import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.knowledge.adapters.parsing.chunking import sentences
from functions.knowledge.core.blocks import Block, BlockWriter
from functions.knowledge.core.cutting import Cut, count_tokens, cut, split_sentences, windows
from functions.knowledge.core.models import ChunkSettings, ChunkStrategy

WORDS = st.sampled_from(
    ["harbour", "light.", "ships", "at night!", "灯台", "منارة", "x" * 40, "\n", "a-b", "Skagen:", "46"]
)
PROSE = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
PARTS = st.lists(st.tuples(st.sampled_from(["heading", "text", "table", "code"]), PROSE), min_size=1, max_size=12)


def parsed(parts: list[tuple[str, str]]) -> tuple[str, list[Block]]:
    text, lines = io.StringIO(), io.StringIO()
    out = BlockWriter(text, lines, 1_000_000, ValueError())
    for kind, content in parts:
        fields = {"level": 1 + len(content) % 3} if kind == "heading" else {"line_start": 1} if kind == "code" else {}
        out.add(kind, content, **fields)  # type: ignore[arg-type]
    return text.getvalue(), [Block(**json.loads(line)) for line in lines.getvalue().splitlines()]


def chunks(parts: list[tuple[str, str]], settings: ChunkSettings) -> tuple[str, list[Cut]]:
    text, blocks = parsed(parts)
    return text, list(cut(text, blocks, settings, sentences))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PARTS, st.sampled_from(["structure", "fixed", "sentence"]), st.integers(8, 80), st.integers(0, 4))
def test_nothing_is_lost_and_nothing_is_too_long(
    parts: list[tuple[str, str]], strategy: ChunkStrategy, most: int, overlap: int
) -> None:
    text, found = chunks(parts, ChunkSettings(strategy, most, overlap))
    covered = set[int]()
    for piece in found:
        assert 0 <= piece.start < piece.end <= len(text)
        assert count_tokens(text[piece.start : piece.end]) <= most
        covered.update(range(piece.start, piece.end))
    missing = {text[at] for at in range(len(text)) if at not in covered and text[at].isalnum()}
    assert not missing
    assert [piece.start for piece in found] == sorted(piece.start for piece in found)


@given(PROSE)
def test_sentences_together_are_the_text(text: str) -> None:
    assert "".join(split_sentences(text)) == text


def test_a_passage_is_told_what_it_is_under() -> None:
    parts = [
        ("heading", "Harbours"), ("heading", "Lights"), ("text", "Skagen."), ("heading", "Ships"), ("text", "Many."),
    ]  # fmt: skip
    text, blocks = parsed(parts)
    levels = iter([1, 2, 2])
    told = [
        Block("heading", block.start, block.end, next(levels)) if block.kind == "heading" else block for block in blocks
    ]
    found = list(cut(text, told, ChunkSettings(), sentences))
    assert [(text[piece.start : piece.end], piece.headings) for piece in found] == [
        ("Harbours\n\nLights\n\nSkagen.", ("Harbours", "Lights")),
        ("Ships\n\nMany.", ("Harbours", "Ships")),
    ]


def test_what_comes_again_is_the_end_of_what_came_before() -> None:
    said = [f"This is sentence number {number}." for number in range(40)]
    text, found = chunks([("text", sentence) for sentence in said], ChunkSettings("structure", 60, 12))
    for before, after in pairwise(found):
        assert after.start < before.end
        assert text[after.start :].startswith("This is sentence")
        assert count_tokens(text[after.start : before.end]) <= 12


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("one two", 2), ("灯台守", 3), ("a-b", 3), ("x" * 40, 4), ("__", 1)]
)
def test_tokens_are_counted_alike_in_every_script(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_windows_end_with_a_sentence_where_that_leaves_half() -> None:
    text = "One two three four five. Six seven eight nine ten eleven."
    found = [text[start:end] for start, end in windows(text, ChunkSettings("fixed", 8, 0))]
    assert found == ["One two three four five.", "Six seven eight nine ten eleven."]
