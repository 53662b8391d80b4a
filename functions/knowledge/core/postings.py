"""BM25 over postings kept as bytes: how they are laid out, and what they say of a query.

An entry is 8 bytes, little-endian: the chunk's number (uint32), how often it has the term (uint16), how many terms it
has (uint16). Entries stand in no order, so concatenating postings merges them.

BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the inverse
document frequency ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative (Apache Lucene's).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

K1 = 1.2
B = 0.75
MOST_TERMS = 0xFFFF
"""Terms of a chunk that count; what is longer counts as if it ended here."""

_ENTRY = np.dtype([("number", "<u4"), ("frequency", "<u2"), ("length", "<u2")])
# Chunk numbers are spread over at most so many slots per hit before sums are made by sorting instead of by table.
_SLOTS = 1 << 22

Numbers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Collection:
    """What BM25 knows of all that is searched: how many chunks, and their lengths together."""

    chunks: int
    length: int

    @property
    def average(self) -> float:
        """Mean length of a chunk in terms."""
        return self.length / self.chunks if self.chunks > 0 else 1.0


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """BM25 of every chunk that has a term of the query; `numbers` ascend."""

    numbers: Numbers
    scores: Scores

    def top(self, count: int, among: Numbers | None = None) -> list[tuple[int, float]]:
        """The best, best first; of equals the older chunk is first.

        Args:
            among: ascending numbers to choose from; None for all.
        """
        numbers, scores = self.numbers, self.scores
        if among is not None:
            kept = np.isin(numbers, among, assume_unique=True)
            numbers, scores = numbers[kept], scores[kept]
        if len(scores) > count:
            bound = np.partition(scores, len(scores) - count)[len(scores) - count]
            kept = scores >= bound
            numbers, scores = numbers[kept], scores[kept]
        order = np.lexsort((numbers, -scores))[:count]
        return list(zip(numbers[order].tolist(), scores[order].tolist(), strict=True))

    def of(self, numbers: Sequence[int]) -> list[float]:
        """The scores of some chunks; 0 for one without any term of the query."""
        if not len(self.numbers):
            return [0.0] * len(numbers)
        wanted = np.asarray(numbers, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.numbers, wanted), len(self.numbers) - 1)
        found: list[float] = np.where(self.numbers[at] == wanted, self.scores[at], 0.0).tolist()
        return found


def encode(chunks: Iterable[tuple[int, Sequence[str]]]) -> dict[str, bytes]:
    """Postings by term, of chunks given as number and terms."""
    entries: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for number, terms in chunks:
        counted = terms[:MOST_TERMS]
        for term, frequency in Counter(counted).items():
            entries[term].append((number, frequency, len(counted)))
    return {term: np.array(rows, dtype=_ENTRY).tobytes() for term, rows in entries.items()}


def without(entries: bytes, removed: Numbers) -> bytes:
    """Postings less those of removed chunks."""
    decoded = np.frombuffer(entries, dtype=_ENTRY)
    return decoded[~np.isin(decoded["number"], removed)].tobytes()


def score(
    postings: Mapping[str, Sequence[bytes]], collection: Collection, removed: Numbers, *, k1: float = K1, b: float = B
) -> LexicalScores:
    """BM25 of every chunk that has a term of the query.

    Args:
        postings: of each distinct term of the query, in pieces.
        removed: chunks whose entries do not count any more.
    """
    numbers: list[npt.NDArray[np.uint32]] = []
    scores: list[Scores] = []
    for pieces in postings.values():
        entries = np.frombuffer(b"".join(pieces), dtype=_ENTRY)
        if len(removed):
            entries = entries[~np.isin(entries["number"], removed)]
        count = len(entries)
        if not count:
            continue
        weight = np.log1p((collection.chunks - count + 0.5) / (count + 0.5)) * (k1 + 1)
        frequency = entries["frequency"].astype(np.float64)
        norm = entries["length"] * (k1 * b / collection.average) + k1 * (1 - b)
        numbers.append(np.ascontiguousarray(entries["number"]))
        scores.append(weight * frequency / (frequency + norm))
    return _summed(numbers, scores)


def _summed(numbers: Sequence[npt.NDArray[np.uint32]], scores: Sequence[Scores]) -> LexicalScores:
    if not numbers:
        return LexicalScores(np.empty(0, np.int64), np.empty(0, np.float64))
    every, values = np.concatenate(numbers).astype(np.int64), np.concatenate(scores)
    low, high = int(every.min()), int(every.max())
    if high - low < _SLOTS:
        table: Scores = np.bincount(every - low, weights=values).astype(np.float64)
        found = np.flatnonzero(table)
        return LexicalScores(found + low, table[found])
    distinct, where = np.unique(every, return_inverse=True)
    return LexicalScores(distinct, np.bincount(where, weights=values).astype(np.float64))
