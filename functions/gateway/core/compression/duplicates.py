"""Leaves out sentences that were said before."""

import re
from collections.abc import Iterable

from functions.gateway.core.compression.passages import Page

# Words whose absence changes no statement. Case, punctuation and these may differ between duplicates in plain words;
# all other words, negations among them, must be the same in the same order. With a number or a symbol in it a
# sentence repeats another only to the letter.
_WEIGHTLESS_WORDS = (
    "a an the that very really quite also just then so thus however therefore moreover furthermore additionally"
)
_WEIGHTLESS = frozenset(_WEIGHTLESS_WORDS.split())
_PLAIN_WORDS = re.compile(r"[^\W\d_]+(?:[\s.,:!?'\u2019()\u2013\u2014-]+[^\W\d_]+)*[\s.,:!?)]*")
_LEAST_WORDS = 10
_LEAST_CHARACTERS = 50
_MOST_COMPARED = 8


def leave_out_duplicates(pages: Iterable[Page]) -> bool:
    """Leave out every sentence that says in the same words what an earlier one said; whether there was one."""
    seen: dict[tuple[str, ...], list[str]] = {}
    changed = False
    for page in pages:
        for line in page.lines():
            for sentence in line.sentences:
                if len(sentence.words) < _LEAST_WORDS or len(sentence.text) < _LEAST_CHARACTERS:
                    continue
                texts = seen.setdefault(tuple([word for word in sentence.words if word not in _WEIGHTLESS]), [])
                if sentence.fixed or not _is_repeated(sentence.text, texts):
                    texts.append(sentence.text)
                else:
                    sentence.kept = []
                    changed = True
    return changed


def _is_repeated(text: str, earlier: list[str]) -> bool:
    if not earlier:
        return False
    if _PLAIN_WORDS.fullmatch(text):
        return any(_PLAIN_WORDS.fullmatch(other) for other in earlier[:_MOST_COMPARED])
    words = text.split()
    return any(other.split() == words for other in earlier[:_MOST_COMPARED])
