"""What the classifier looks at: words, their letters, neighbours, and which meanings stand near which.

Every feature is hashed into one of `BUCKETS` buckets (Weinberger et al., Feature Hashing for Large Scale Multitask
Learning, 2009). Each belongs to the token it ends at, so that the score of any window is a difference of sums.
"""

from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

from functions.guardrails.core.injection.lexicon import MARK, NUMBER, STOP, UNKNOWN, Tokens

BUCKETS = 1 << 16
_MASK = BUCKETS - 1
_PIECE = 4
_LONGEST_WORD = 16
_MEANINGLESS = frozenset((UNKNOWN, NUMBER, STOP))
_BOUNDARIES = frozenset((STOP, MARK))
_MEMORY = 40
_REACH = 7
_MOST_NEIGHBOURS = 4


def token_buckets(found: Tokens, signs: str) -> list[list[int]]:
    """The buckets of each token's features."""
    buckets: list[list[int]] = [[] for _ in found.words]
    for at, before, word in new_words(found.words):
        buckets[at] += (*word_buckets(word), bigram_bucket(before, word))
    for at, key in meanings(signs):
        buckets[at].append(meaning_bucket(key))
    return buckets


def new_words(words: list[str]) -> Iterator[tuple[int, str, str]]:
    """Where a word stands that did not stand shortly before, with the word before it: repetition is no evidence."""
    seen: dict[str, int] = {}
    before = ""
    for at, word in enumerate(words):
        if at - seen.get(word, -_MEMORY) >= _MEMORY:
            yield at, before, word
        seen[word] = at
        before = word


@lru_cache(maxsize=50_000)
def word_buckets(word: str) -> tuple[int, ...]:
    """The word itself and the pieces of four letters that it is made of."""
    if not word[0].isalpha():
        return (crc32(b"n") & _MASK,) if word[0].isdigit() else ()
    framed = f"<{word[:_LONGEST_WORD]}>"
    pieces = {framed[at : at + _PIECE] for at in range(max(1, len(framed) - _PIECE + 1))}
    return tuple(sorted(crc32(name.encode()) & _MASK for name in [f"w{word}", *(f"c{piece}" for piece in pieces)]))


def bigram_bucket(before: str, word: str) -> int:
    """A word and the one before it; no word before it begins the text."""
    return crc32(f"b{before} {word}".encode()) & _MASK


@lru_cache(maxsize=20_000)
def meaning_bucket(key: str) -> int:
    """One of `meanings`' keys."""
    return crc32(f"m{key}".encode()) & _MASK


def meanings(signs: str) -> Iterator[tuple[int, str]]:
    """Each meaningful word's sign, whether it begins a sentence, its pairs and triples with those shortly before."""
    recent: list[tuple[int, str]] = []
    for at, sign in enumerate(signs):
        if sign in _MEANINGLESS:
            continue
        if sign != MARK:
            yield at, sign
            if at == 0 or signs[at - 1] in _BOUNDARIES:
                yield at, "^" + sign
        recent = [entry for entry in recent[-_MOST_NEIGHBOURS:] if at - entry[0] <= _REACH]
        for _, other in recent:
            yield at, other + sign
        if len(recent) > 1:
            yield at, recent[-2][1] + recent[-1][1] + sign
        recent.append((at, sign))
