"""What a finding may quote: the surroundings with everything personal or secret replaced by its type."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from functions.guardrails.core.models import Kind, Match
from functions.kit.redaction import redact

_AROUND = 30
_LONGEST_QUOTE = 160
_LONG_TOKEN = re.compile(r"[^\s\[\]]{33,}")
_SHOWN = (Kind.PROMPT_INJECTION, Kind.UNSAFE_CONTENT)


class Covered(NamedTuple):
    """A span that is not quoted, and the type that stands for it."""

    start: int
    end: int
    name: str


def excerpt(text: str, match: Match, hidden: Sequence[Covered]) -> str:
    """A short quotation around a match.

    Args:
        hidden: what `covered` makes of every match in the same text.
    """
    start, end = match.start, min(match.end, match.start + _LONGEST_QUOTE)
    first, last = _widened(text, start, end)
    if match.disguise and match.kind in _SHOWN:
        shown = f"[{match.disguise}: {match.end - match.start} characters]"
        pieces = [_without(text, first, start, hidden), shown, _without(text, match.end, max(match.end, last), hidden)]
        quoted = " ".join(pieces)
    else:
        quoted = _without(text, first, last, hidden)
    return _tidied(quoted)


def covered(found: Sequence[Match]) -> list[Covered]:
    """Spans to hide in a text, merged where they overlap.

    Args:
        found: every match in it, whatever became of it: what any detector took for personal or secret is never quoted.
    """
    merged: list[Covered] = []
    matches = [entry for entry in found if entry.kind not in _SHOWN]
    for match in sorted(matches, key=lambda entry: (entry.start, -entry.end)):
        if merged and match.start < merged[-1].end:
            start, end, name = merged[-1]
            merged[-1] = Covered(start, max(end, match.end), name)
        else:
            merged.append(Covered(match.start, match.end, match.type))
    return merged


def _without(text: str, first: int, last: int, hidden: Sequence[Covered]) -> str:
    pieces: list[str] = []
    at = first
    for start, end, name in hidden:
        if end <= first or start >= last:
            continue
        pieces += [text[at : max(at, start)], f"[{name}]"]
        at = max(at, end)
    pieces.append(text[at:last])
    return "".join(pieces)


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with some characters around it, cut at white space so that no half of a secret is quoted."""
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
    if first:
        first = min((at + 1 for at in range(first, start) if text[at].isspace()), default=start)
    if last < len(text):
        last = max((at for at in range(end, last) if text[at].isspace()), default=end)
    return first, last


def _tidied(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return re.sub(r"\s+", " ", _LONG_TOKEN.sub("[…]", redact(shown))).strip()
