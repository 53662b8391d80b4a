"""Finds personal data by form, checksum and context. Needs no model: the light mode."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from functions.guardrails.core.models import Kind, Match, Part, Severity
from functions.guardrails.core.pii.recognisers import RECOGNISERS, Recogniser

LEAST_SCORE = 0.5
_CONTEXT_WEIGHT = 0.4
_BEFORE, _AFTER = 60, 30
_VERSION = re.compile(r"(?:version|release|build|v|ver\.)\s*$", re.IGNORECASE)
# Every pattern but the e-mail's and the addresses' needs a digit.
_DIGIT = re.compile(r"\d")


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

    def __init__(self, more: Sequence[MoreRecognisers] = (), least_score: float = LEAST_SCORE) -> None:
        self._more = more
        self._least_score = least_score

    def scan(self, index: int, part: Part) -> list[Match]:
        """Everything certain enough; of finds that overlap, the most certain."""
        found = [*_built_in(index, part.text), *self._by_library(index, part.text)]
        return without_overlaps(match for match in found if match.score >= self._least_score)

    def _by_library(self, index: int, text: str) -> Iterator[Match]:
        for recognisers in self._more:
            for kind, start, end, score in recognisers.find(text):
                yield _match(index, kind, (start, end), score, Severity.MEDIUM)


def without_overlaps(matches: Iterable[Match]) -> list[Match]:
    """The most certain of matches that overlap, then the longest, in the order of the text."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda entry: (-entry.score, entry.start - entry.end, entry.start)):
        if all(match.end <= other.start or match.start >= other.end for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda entry: entry.start)


def context_near(text: str, start: int, end: int, words: Sequence[str]) -> bool:
    """Whether one of the words stands shortly before or after."""
    near = f"{text[max(0, start - _BEFORE) : start]} {text[end : end + _AFTER]}".lower()
    return any(re.search(rf"(?<![^\W_]){re.escape(word)}", near) for word in words)


def _built_in(index: int, text: str) -> Iterator[Match]:
    has_digit = _DIGIT.search(text) is not None
    for recogniser in RECOGNISERS:
        if recogniser.type == "EMAIL_ADDRESS" and "@" not in text:
            continue
        if not has_digit and recogniser.type != "EMAIL_ADDRESS":
            continue
        for found in recogniser.pattern.finditer(text):
            score = _score(recogniser, text, found)
            if score > 0:
                yield _match(index, recogniser.type, found.span(), score, recogniser.severity)


def _score(recogniser: Recogniser, text: str, found: re.Match[str]) -> float:
    if recogniser.type == "IP_ADDRESS" and recogniser.check is None:
        base = recogniser.checked_score if _is_address(text, found) else 0.0
    elif recogniser.check is not None:
        base = recogniser.checked_score if recogniser.check(recogniser.value(found[0])) else 0.0
    else:
        base = recogniser.score
    if base and recogniser.context and context_near(text, found.start(), found.end(), recogniser.context):
        return min(1.0, base + _CONTEXT_WEIGHT)
    return base


def _is_address(text: str, found: re.Match[str]) -> bool:
    """Whether four numbers are an address rather than a version; loopback and unspecified ones tell nothing."""
    try:
        address = ipaddress.IPv4Address(found[0])
    except ValueError:
        return False
    versioned = _VERSION.search(text[max(0, found.start() - 12) : found.start()])
    return not (versioned or address.is_unspecified or address.is_loopback)


def _match(index: int, kind: str, span: tuple[int, int], score: float, severity: Severity) -> Match:
    return Match(index, *span, Kind.PII, kind, "pii", f"pii.{kind.lower()}", severity, round(score, 4))
