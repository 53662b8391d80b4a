"""Runs scanners over the parts of a call: each part by itself, and short ones together."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from functions.guardrails.core.models import Match, Part
from functions.guardrails.core.ports import Scanner

# Who divides a sentence among messages sends short ones.
_LONGEST = 400
_MOST_PARTS = 8
_WHOLE_TEXT = "injection_likely"


class ThreadedScanner:
    """A detector that computes in a thread, so that a long text keeps nobody waiting."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner

    @property
    def name(self) -> str:
        """The scanner's name."""
        return self._scanner.name

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """Every match in every part."""
        return await asyncio.to_thread(scan_parts, self._scanner, parts)


def scan_parts(scanner: Scanner, parts: Sequence[Part]) -> list[Match]:
    """Every match in every part, and those that begin in one part and end in another of the same role."""
    found = [match for index, part in enumerate(parts) for match in scanner.scan(index, part)]
    if scanner.reads_across:
        for role in ("user", "tool"):
            short = [index for index, part in enumerate(parts) if part.role == role and len(part.text) <= _LONGEST]
            found.extend(_across(scanner, parts, short[-_MOST_PARTS:]))
    return found


def _across(scanner: Scanner, parts: Sequence[Part], indices: Sequence[int]) -> Iterator[Match]:
    """What only several parts together say; it is told of the last of them."""
    if len(indices) < 2:
        return
    texts = [parts[index].text for index in indices]
    starts = [0, *accumulate(len(text) + 1 for text in texts)]
    for match in scanner.scan(0, Part(parts[indices[0]].role, " ".join(texts))):
        first, last = (bisect_right(starts, at) - 1 for at in (match.start, match.end - 1))
        if first != last and match.type != _WHOLE_TEXT:
            start = max(0, match.start - starts[last])
            yield replace(match, part=indices[last], start=start, end=match.end - starts[last])
