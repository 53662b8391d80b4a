"""BM25 out of postings equals the plain formula."""

import math
import random

import numpy as np
import pytest

from functions.knowledge.core.postings import MOST_TERMS, Collection, LexicalScores, encode, score, without

NONE = np.empty(0, np.int64)


def plainly(texts: dict[int, list[str]], query: list[str]) -> dict[int, float]:
    average = sum(map(len, texts.values())) / len(texts)
    found: dict[int, float] = {}
    for term in query:
        containing = sum(term in words for words in texts.values())
        for number, words in texts.items():
            if frequency := words.count(term):
                weight = math.log(1 + (len(texts) - containing + 0.5) / (containing + 0.5))
                norm = 1.2 * (0.25 + 0.75 * len(words) / average)
                found[number] = found.get(number, 0.0) + weight * frequency * 2.2 / (frequency + norm)
    return found


@pytest.mark.parametrize("spread", [1, 50_000_000])
def test_scores_equal_the_plain_formula(spread: int) -> None:
    rng = random.Random(1)
    texts = {n * spread + 3: rng.choices([f"w{k}" for k in range(20)], k=rng.randint(1, 40)) for n in range(80)}
    numbers = list(texts)
    pieces = [encode((n, texts[n]) for n in part) for part in (numbers[:30], numbers[30:31], numbers[31:])]
    removed = np.array(numbers[10:20])
    query = ["w1", "w2", "w19", "unknown"]
    postings = {term: [piece[term] for piece in pieces if term in piece] for term in query}
    left = {n: words for n, words in texts.items() if n not in removed}
    scores = score(postings, Collection(len(left), sum(map(len, left.values()))), removed)
    expected = plainly(left, query)
    assert scores.numbers.tolist() == sorted(expected)
    assert scores.scores.tolist() == pytest.approx([expected[n] for n in sorted(expected)], abs=1e-9)


def test_nothing_to_score() -> None:
    scores = score({}, Collection(0, 0), NONE)
    assert scores.top(10) == []
    assert scores.of([1, 2]) == [0.0, 0.0]


def test_the_top_is_exact_and_ties_go_to_the_older() -> None:
    scores = LexicalScores(np.arange(6), np.array([1.0, 3.0, 2.0, 3.0, 2.0, 3.0]))
    assert scores.top(4) == [(1, 3.0), (3, 3.0), (5, 3.0), (2, 2.0)]
    assert scores.top(2, np.array([2, 4, 9])) == [(2, 2.0), (4, 2.0)]
    assert scores.of([5, 7, 0]) == [3.0, 0.0, 1.0]


def test_clearing_leaves_the_rest() -> None:
    entries = encode([(1, ["a"]), (2, ["a", "a"]), (4_294_967_295, ["a"])])["a"]
    assert without(entries, np.array([1, 4_294_967_295])) == encode([(2, ["a", "a"])])["a"]


def test_a_chunk_longer_than_what_counts() -> None:
    scores = score({"a": [encode([(1, ["a"] * (MOST_TERMS + 10))])["a"]]}, Collection(1, MOST_TERMS), NONE)
    assert scores.scores[0] == pytest.approx(math.log(1 + 0.5 / 1.5) * 2.2, rel=1e-3)
