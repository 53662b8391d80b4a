"""The parts of a passage that have the query's words."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

import regex

from functions.knowledge.core.analysis import terms

_WORD = regex.compile(r"[\p{L}\p{N}\p{M}_]+")
_LONGEST = 300
_AROUND = 80
_USUAL_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Highlight:
    """A part of a passage.

    Attributes:
        text: exactly as it stands in the passage.
        start: where it begins in the passage, in characters.
        marks: start and end within `text` of each word that the query has.
    """

    text: str
    start: int
    marks: tuple[tuple[int, int], ...]


def highlights(text: str, wanted: Collection[str], language: str, most: int = 3) -> list[Highlight]:
    """The parts with the most of the wanted terms, in the order of the passage."""
    found = _hits(text, frozenset(wanted), language)
    windows: list[list[tuple[int, int, str]]] = []
    for hit in found:
        if windows and hit[1] - windows[-1][0][0] <= _LONGEST - 2 * _AROUND:
            windows[-1].append(hit)
        else:
            windows.append([hit])
    windows.sort(key=lambda window: (-len({term for _, _, term in window}), -len(window), window[0][0]))
    return [_cut(text, window) for window in sorted(windows[:most])]


def _hits(text: str, wanted: frozenset[str], language: str) -> list[tuple[int, int, str]]:
    hits = []
    for word in _WORD.finditer(text):
        match = wanted.intersection(_terms(word[0], language))
        if match:
            hits.append((word.start(), word.end(), min(match)))
    return hits


def _terms(word: str, language: str) -> Iterable[str]:
    return _usual(word, language) if len(word) <= _USUAL_LENGTH else terms(word, language)


@lru_cache(maxsize=20_000)
def _usual(word: str, language: str) -> tuple[str, ...]:
    """The terms of a word: passages say the same words again and again, and stemming each took a third of a search."""
    return tuple(terms(word, language))


def _cut(text: str, window: list[tuple[int, int, str]]) -> Highlight:
    start = _boundary(text, max(0, window[0][0] - _AROUND), forward=True, limit=window[0][0])
    end = _boundary(text, min(len(text), window[-1][1] + _AROUND), forward=False, limit=window[-1][1])
    return Highlight(text[start:end], start, tuple((at - start, upto - start) for at, upto, _ in window))


def _boundary(text: str, at: int, *, forward: bool, limit: int) -> int:
    """The nearest place towards `limit` that is not within a word."""
    step = 1 if forward else -1
    while at != limit and 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum():
        at += step
    return at
