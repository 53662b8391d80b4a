"""Checks what an answer claims against the passages that it cites, sentence by sentence.

A sentence is supported when the passages it cites have its numbers and most of its meaningful words; how many is a
threshold that docs/retrieval.md explains. Words that differ in form or by synonym are for the caller to decide by
embeddings: `overlap` says how far the words alone go.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import regex

from functions.knowledge.core.analysis import query_terms, terms

LEAST_OVERLAP = 0.5
"""Share of a sentence's meaningful words that the cited passages must have."""
ABSTENTION = "I could not find an answer to that in the given passages."

Verdict = Literal["supported", "unsupported", "uncited", "unknown_citation", "numbers_differ", "not_a_claim"]

_MARKER = regex.compile(r"\s*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_SENTENCE = regex.compile(
    r"(?:[^.!?。\uff01\uff1f\n]|[.!?](?!\s|\[|$))+[.!?。\uff01\uff1f]*(?:\s*\[[\d,;\s]+\])*[.!?。\uff01\uff1f]*",
    regex.MULTILINE,
)
_NUMBER = regex.compile(r"\d+(?:[.,]\d+)*")
_ABSTAINS = regex.compile(
    r"\b(?:could not|cannot|can't|couldn't|unable to)\s+(?:find|answer)\b"
    r"|\b(?:passages?|documents?|context|corpus)\s+(?:do|does)\s*(?:not|n't)\s+(?:say|answer|mention|contain|provide)",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer.

    Attributes:
        start: where it begins in the answer, in characters; `end` is after its last, markers included.
        text: without its markers.
        citations: the passages it names, from 1, in order.
        overlap: share of its meaningful words that the cited passages have.
        closest: the passage that has most of them, cited or not; 0 for none.
    """

    start: int
    end: int
    text: str
    citations: tuple[int, ...]
    verdict: Verdict
    overlap: float
    closest: int

    def judged(self, verdict: Verdict) -> "Claim":
        """The same under another verdict."""
        return replace(self, verdict=verdict)


def abstains(answer: str) -> bool:
    """Whether an answer says that it has none."""
    claims = list(_SENTENCE.finditer(_MARKER.sub("", answer)))
    return bool(claims) and len(claims) <= 2 and _ABSTAINS.search(answer) is not None


def check(answer: str, passages: Sequence[str], language: str = "en") -> list[Claim]:
    """Every sentence of an answer, judged.

    Args:
        passages: passage 1 first.
    """
    vocabularies = [frozenset(terms(passage, language)) for passage in passages]
    numbers = [frozenset(_numbers(passage)) for passage in passages]
    return [
        _judge(match.start(), match[0], vocabularies, numbers, language)
        for match in _SENTENCE.finditer(answer)
        if match[0].strip()
    ]


def _judge(
    start: int,
    sentence: str,
    vocabularies: Sequence[frozenset[str]],
    numbers: Sequence[frozenset[str]],
    language: str,
) -> Claim:
    text = _MARKER.sub("", sentence).strip()
    cited = [int(number) for found in _MARKER.finditer(sentence) for number in regex.split(r"\s*[,;]\s*", found[1])]
    citations = tuple(dict.fromkeys(cited))
    known = [number for number in citations if 1 <= number <= len(vocabularies)]
    wanted = frozenset(query_terms(text, [language]))
    shares = [_share(wanted, vocabulary) for vocabulary in vocabularies]
    closest = 1 + shares.index(max(shares)) if shares and max(shares) > 0 else 0
    overlap = _share(wanted, frozenset().union(*(vocabularies[number - 1] for number in known)))
    told = frozenset().union(*(numbers[number - 1] for number in known))
    verdict = _verdict(text, citations, known, overlap, _numbers(text) <= told)
    lead = len(sentence) - len(sentence.lstrip())
    return Claim(start + lead, start + len(sentence.rstrip()), text, citations, verdict, overlap, closest)


def _verdict(text: str, citations: Sequence[int], known: Sequence[int], overlap: float, numbers_agree: bool) -> Verdict:
    if not any(letter.isalnum() for letter in text) or text.endswith((":", "?")) or _ABSTAINS.search(text):
        return "not_a_claim"
    if not citations:
        return "uncited"
    if len(known) < len(citations):
        return "unknown_citation"
    if not numbers_agree:
        return "numbers_differ"
    return "supported" if overlap >= LEAST_OVERLAP else "unsupported"


def _share(wanted: Collection[str], vocabulary: Collection[str]) -> float:
    return sum(term in vocabulary for term in wanted) / len(wanted) if wanted else 1.0


def _numbers(text: str) -> frozenset[str]:
    """Numbers without the separators of thousands."""
    return frozenset(regex.sub(r",(?=\d{3}\b)", "", found) for found in _NUMBER.findall(text))
