"""Puts what was found by words and by meaning into one order.

The default is a convex combination of standardised scores (Bruch, Gai and Ingber, "An Analysis of Fusion Functions
for Hybrid Retrieval", 2023, who compare it with reciprocal ranks): both scores are known for every candidate, whichever
side found it, and are standardised over the candidates. Words weigh less on code, where a question in prose shares few
of them with its answer, unless the question itself has identifiers in it. docs/retrieval.md has the figures.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

Fusion = Literal["weighted", "rrf"]

TEXT_WEIGHT = 0.35
"""Share of the words' score in that of a passage of prose; the rest is the meaning's."""
CODE_WEIGHT = 0.05
"""The same for a passage of code."""
RANK_CONSTANT = 60
"""Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion" (2009)."""

_ALIKE = 1e-12
_IDENTIFIER = re.compile(r"[A-Za-z0-9]_[A-Za-z0-9]|[a-z][A-Z]|\w\(\)|\w\.\w+\(|::|->|\w\.[a-z_]+\b(?=\s|$)")


def has_identifiers(query: str) -> bool:
    """Whether a query names something as code does: `read_csv`, `HttpClient`, `os.path`, `close()`."""
    return _IDENTIFIER.search(query) is not None


def shares(
    numbers: Iterable[int], code: Collection[int], query: str, words_weight: float | None = None
) -> dict[int, float]:
    """The words' share for each candidate.

    Args:
        code: the candidates that are code.
        words_weight: what the caller wants it to be, for prose and code.
    """
    if words_weight is not None:
        return dict.fromkeys(numbers, words_weight)
    on_code = TEXT_WEIGHT if has_identifiers(query) else CODE_WEIGHT
    return {number: on_code if number in code else TEXT_WEIGHT for number in numbers}


def convex(
    words: Mapping[int, float], meaning: Sequence[Mapping[int, float]], share: Mapping[int, float]
) -> dict[int, float]:
    """The combined score of each candidate.

    Args:
        words: BM25 of every candidate, 0 where it has none of the query's words.
        meaning: similarities, those of each embedding model by themselves; a candidate without any counts as the least
            similar there is.
        share: the words' share in each.
    """
    similar: dict[int, float] = {}
    for values in meaning:
        similar.update(standardised(values))
    least = min(similar.values(), default=0.0)
    bm25 = standardised(words)
    return {number: share[number] * bm25[number] + (1 - share[number]) * similar.get(number, least) for number in words}


def standardised(values: Mapping[int, float]) -> dict[int, float]:
    """Each value as so many standard deviations from the mean."""
    found = np.array(list(values.values()))
    spread = found.std() if len(found) else 0.0
    if spread < _ALIKE:
        return dict.fromkeys(values, 0.0)
    return dict(zip(values, ((found - found.mean()) / spread).tolist(), strict=True))


def reciprocal_ranks(*lists: Sequence[int]) -> dict[int, float]:
    """Reciprocal rank fusion of lists that are best first."""
    scores: dict[int, float] = {}
    for found in lists:
        for rank, number in enumerate(found, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (RANK_CONSTANT + rank)
    return scores


def best_first(scores: Mapping[int, float]) -> list[int]:
    """Candidates in the order of their scores; of equals the older passage is first."""
    return sorted(scores, key=lambda number: (-scores[number], number))
