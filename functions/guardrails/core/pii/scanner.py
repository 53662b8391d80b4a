"""Finds personal data by form, checksum and context. Needs no model: the light mode."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

from functions.guardrails.core.models import Kind, Match, Part, Severity
from functions.guardrails.core.normalise import View
from functions.guardrails.core.pii.recogniser import Recogniser
from functions.guardrails.core.pii.recognisers import RECOGNISERS
from functions.guardrails.core.spans import Apart

LEAST_SCORE = 0.5
_CONTEXT_WEIGHT = 0.4
_BEFORE, _AFTER = 60, 30
_VERSION = re.compile(r"(?:version|release|build|v|ver\.)\s*$", re.IGNORECASE)
# Digits of other scripts, and spaces and dashes that look like plain ones: each one character for another.
_PLAIN = str.maketrans(
    {chr(zero + digit): str(digit) for zero in (0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10) for digit in range(10)}
    | dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u3000", " ")
)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"))
_DIGIT = re.compile(r"\d")
_UNSPACED = "\u2e80"


class MoreRecognisers(Protocol):
    """Finds what takes a library, e.g. telephone numbers."""

    def find(self, text: str) -> Iterable[tuple[str, int, int, float]]:
        """Type, start, end and score of each find."""
        ...


class PatternScanner:
    """Personal data with a form of its own.

    Args:
        more: recognisers beyond the built-in ones.
        least_score: what is less certain is not reported.
    """

    name = "pii"
    reads_across = False

    def __init__(self, more: Sequence[MoreRecognisers] = (), least_score: float = LEAST_SCORE) -> None:
        self._more = more
        self._least_score = least_score

    def scan(self, index: int, part: Part) -> list[Match]:
        """Everything certain enough; of finds that overlap, the most certain."""
        found = [match for view in part.views if view.is_as_written for match in self._in_view(index, view)]
        return without_overlaps(match for match in found if match.score >= self._least_score)

    def _in_view(self, index: int, view: View) -> Iterator[Match]:
        text = view.text if view.text.isascii() else view.text.translate(_PLAIN)
        for match in (*_built_in(index, text.translate(_DASHES)), *self._by_library(index, text)):
            start, end = view.span(match.start, match.end)
            yield replace(match, start=start, end=end, disguise=view.disguise)

    def _by_library(self, index: int, text: str) -> Iterator[Match]:
        for recognisers in self._more:
            for kind, start, end, score in recognisers.find(text):
                yield _match(index, kind, (start, end), score, Severity.MEDIUM)


def without_overlaps(matches: Iterable[Match]) -> list[Match]:
    """The most certain of matches that overlap, then the longest, in the order of the text."""
    kept: list[Match] = []
    apart = Apart()
    for match in sorted(matches, key=lambda entry: (-entry.score, entry.start - entry.end, entry.start)):
        if not apart.overlaps(match.start, match.end):
            apart.add(match.start, match.end)
            kept.append(match)
    return sorted(kept, key=lambda entry: entry.start)


def context_near(text: str, start: int, end: int, words: Sequence[str]) -> bool:
    """Whether one of the words stands shortly before or after."""
    near = f"{text[max(0, start - _BEFORE) : start]} {text[end : end + _AFTER]}".lower()
    return any(_begins(word).search(near) for word in words)


@cache
def _begins(word: str) -> re.Pattern[str]:
    """A word that begins so; where words are not parted by spaces, it may stand anywhere."""
    return re.compile(re.escape(word) if word[0] >= _UNSPACED else rf"(?<![^\W_]){re.escape(word)}")


def _built_in(index: int, text: str) -> Iterator[Match]:
    has_digit = _DIGIT.search(text) is not None
    lowered = text.lower()
    for recogniser in RECOGNISERS:
        if not (any(need in lowered for need in recogniser.needs) if recogniser.needs else has_digit):
            continue
        for start, end in _spans(recogniser, text):
            score = _score(recogniser, text, start, end)
            if score > 0:
                yield _match(index, recogniser.type, (start, end), score, recogniser.severity)


def _spans(recogniser: Recogniser, text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (found := recogniser.pattern.search(text, at)) is not None:
        size = len(found[0]) if recogniser.extent is None else recogniser.extent(found[0])
        if size:
            yield found.start(), found.start() + size
        at = found.start() + max(1, size)


def _score(recogniser: Recogniser, text: str, start: int, end: int) -> float:
    value = text[start:end]
    if recogniser.type == "IP_ADDRESS" and recogniser.check is None:
        base = recogniser.checked_score if _is_address(text, start, end) else 0.0
    elif recogniser.check is not None:
        base = recogniser.checked_score if recogniser.check(recogniser.value(value)) else 0.0
    else:
        base = recogniser.score
    if base and recogniser.context and context_near(text, start, end, recogniser.context):
        return min(1.0, base + _CONTEXT_WEIGHT)
    return base


def _is_address(text: str, start: int, end: int) -> bool:
    """Whether four numbers are an address rather than a version; loopback and unspecified ones tell nothing."""
    try:
        address = ipaddress.IPv4Address(text[start:end])
    except ValueError:
        return False
    versioned = _VERSION.search(text[max(0, start - 12) : start])
    return not (versioned or address.is_unspecified or address.is_loopback)


def _match(index: int, kind: str, span: tuple[int, int], score: float, severity: Severity) -> Match:
    return Match(index, *span, Kind.PII, kind, "pii", f"pii.{kind.lower()}", severity, round(score, 4))
