"""Two sides become one order."""

import pytest

from functions.knowledge.core.code_text import looks_like_code
from functions.knowledge.core.diversity import diversify
from functions.knowledge.core.fusion import (
    CODE_WEIGHT,
    TEXT_WEIGHT,
    best_first,
    convex,
    has_identifiers,
    reciprocal_ranks,
    shares,
)
from functions.knowledge.core.highlights import highlights


def test_the_scale_of_either_side_does_not_matter() -> None:
    words, meaning = {1: 3.0, 2: 1.0, 3: 0.0}, {1: 0.2, 2: 0.9, 3: 0.1}
    share = dict.fromkeys(words, 0.4)
    scaled = convex({n: 50 * v for n, v in words.items()}, [{n: v / 7 + 3 for n, v in meaning.items()}], share)
    assert scaled == pytest.approx(convex(words, [meaning], share))
    assert best_first(convex(words, [meaning], dict.fromkeys(words, 1.0))) == [1, 2, 3]
    assert best_first(convex(words, [meaning], dict.fromkeys(words, 0.0))) == [2, 1, 3]


def test_what_has_no_embedding_counts_as_least_similar() -> None:
    combined = convex({1: 1.0, 2: 1.0, 3: 1.0}, [{1: 0.9, 2: 0.1}], dict.fromkeys((1, 2, 3), 0.5))
    assert combined[3] == combined[2] < combined[1]


def test_nothing_to_standardise() -> None:
    assert convex({}, [], {}) == {}
    assert convex({1: 2.0}, [{1: 0.5}], {1: 0.3}) == {1: 0.0}


def test_words_weigh_less_on_code_unless_the_query_is_code() -> None:
    assert shares([1, 2], {2}, "how to read a file") == {1: TEXT_WEIGHT, 2: CODE_WEIGHT}
    assert shares([1, 2], {2}, "read_csv encoding") == {1: TEXT_WEIGHT, 2: TEXT_WEIGHT}
    assert shares([1, 2], {2}, "x", 0.7) == {1: 0.7, 2: 0.7}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("readCsv", True), ("os.path.join(a)", True), ("close()", True), ("std::vector", True), ("read a file", False),
     ("What is e.g. a dog?", False), ("The end.", False)],
)  # fmt: skip
def test_identifiers(query: str, expected: bool) -> None:
    assert has_identifiers(query) is expected


def test_reciprocal_ranks() -> None:
    assert best_first(reciprocal_ranks([1, 2, 3], [2, 1, 4])) == [1, 2, 3, 4]


def test_diversity_passes_over_what_repeats() -> None:
    alike = {(1, 2): 0.99, (1, 3): 0.1, (2, 3): 0.1}
    assert diversify([1, 2, 3], alike, 2, 0.0) == [1, 2]
    assert diversify([1, 2, 3], alike, 2, 0.5) == [1, 3]
    assert diversify([], alike, 2, 0.5) == []


def test_highlights_stand_in_the_text() -> None:
    text = "word " * 100 + "The dogs ran. " + "word " * 100 + "A dog again."
    found = highlights(text, ["dog", "run"], "en")
    assert len(found) == 2
    for highlight in found:
        assert text[highlight.start : highlight.start + len(highlight.text)] == highlight.text
        assert all(highlight.text[start:end].lower().startswith("dog") for start, end in highlight.marks)


def test_code_is_told_from_prose() -> None:
    assert looks_like_code("def f(x):\n    return x + 1")
    assert looks_like_code("for (int i = 0; i < n; i++) {\n  sum += i;\n}")
    assert not looks_like_code("A letter to the editor.\nIt was long; nobody read it.\nThe end.")
    assert not looks_like_code("")
