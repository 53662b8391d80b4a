"""Spans of a text that do not overlap."""

from bisect import bisect_left, insort


class Apart:
    """Such spans, in order: whether another overlaps one of them, its neighbours tell, however many there are."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def overlaps(self, start: int, end: int) -> bool:
        """Whether a span has characters in common with one of them."""
        at = bisect_left(self._spans, (start, end))
        return any(start < other[1] and other[0] < end for other in self._spans[max(0, at - 1) : at + 1])

    def add(self, start: int, end: int) -> None:
        """Keep a span that overlaps none."""
        insort(self._spans, (start, end))
