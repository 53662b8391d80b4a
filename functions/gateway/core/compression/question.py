"""Finds what a conversation asks, the one thing that tells which of its context matters."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from functions.gateway.core.compression.passages import PARAGRAPH_CHARACTERS, Line, Page, Passage, Sentence
from functions.gateway.core.compression.words import content_stems, stem

_QUESTION_LABEL = re.compile(
    r"\s*(?:(?:final|user|my)\s+)?(?:question|query|q|request|frage|pregunta)\s?\d{0,3}\s{0,3}:", re.IGNORECASE
)
_LEAD_IN = (
    r"^\W*(?:(?:task|instructions?|question|request|please|kindly|now|then|can\s+you|could\s+you|would\s+you"
    r"|i\s+(?:want|need)\s+you\s+to|your\s+task\s+is\s+to|you\s+(?:must|should|will))\W+){0,3}"
)
_OF_THE_ANSWER = r"(?!\s+(?:your|the|each)\s+(?:answer|response|reply|output|result))"
# Work on the text itself: nothing may be left out of it, and its wording may matter.
_ON_WORDING = re.compile(
    _LEAD_IN + r"(?:translate|rewrite|re-?phrase|paraphrase|proof-?read|transcribe|\u00fcbersetze?|korrigiere?|traduis"
    r"|traduisez|corrige[rz]?|traduce|traduzca|(?:correct|edit|fix|improve|polish|convert|format|reformat|clean\s+up"
    r"|redact|anonymi[sz]e)\s+(?:(?:the|this|these|my|our|all|following|below|grammar|spelling|typos)\b))"
    + _OF_THE_ANSWER,
    re.IGNORECASE,
)
_ON_WHOLE = re.compile(
    _LEAD_IN + r"(?:(?:briefly|concisely)\s+)?(?:summari[sz]e|shorten|condense|fasse|zusammenfassung|r\u00e9sume[rz]?"
    r"|resume|resumir|tl;?dr|(?:write|give|create|provide|draft)\s+(?:me\s+)?(?:a|an|the)\s+(?:\w+\s+){0,2}"
    r"(?:summary|overview|outline|abstract|synopsis))\b" + _OF_THE_ANSWER,
    re.IGNORECASE,
)
# The same unless a question is asked too, of which these are only the manner: "List your sources."
_PERHAPS_ON_WHOLE = re.compile(
    _LEAD_IN + r"(?:classify|outline|compare|contrast|review|analy[sz]e|critique|grade|count|list|enumerate"
    r"|extract|identify\s+(?:all|every)|find\s+(?:all|every))\b(?!\s+of\b)",
    re.IGNORECASE,
)
_GENERIC_WORDS = (
    "question answer query context document documents passage passages text following given provided provide based"
    " using search results write task instruction request above below"
)
_GENERIC = frozenset(map(stem, _GENERIC_WORDS.split()))
_TAIL_WORDS = 80
_HEAD_WORDS = 120
_EARLIER_WORDS = 60
_STATEMENT_WORDS = 25
_ASIDE = 0.3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        weights: how much each stem of its words matters; empty when nothing can be told by words.
        on_whole: the task needs the whole text.
        on_wording: the task is about the text's very words.
    """

    weights: dict[str, float] = field(default_factory=dict)
    on_whole: bool = False
    on_wording: bool = False


def find_question(asked: Sequence[Page], earlier: Sequence[Page], passages: Sequence[Passage]) -> Question:
    """The question at the end or the beginning of the last user message. Its sentences are marked as fixed.

    Args:
        asked: the texts of the last user message.
        earlier: the texts of the user message before it, for what the question leaves unsaid.
    """
    if not asked:
        return Question()
    tail = _tail(asked[-1], passages)
    head = [sentence for sentence in _head(asked[0], passages) if all(sentence is not other for other in tail)]
    for sentence in (*head, *tail):
        sentence.fixed = True
    asks = [sentence for sentence in (*tail, *head) if _asks(sentence)]
    before = _short(earlier)
    proper = asks or _stated(tail, [sentence for sentence in before if _asks(sentence)]) or head
    asides = [*(tail if tail and not _any_of(asks, head) else head), *before]
    weights: dict[str, float] = {}
    for group, weight in ((proper, 1.0), (asides, _ASIDE)):
        for sentence in group:
            for term in content_stems(sentence.words):
                if term not in _GENERIC:
                    weights[term] = max(weight, weights.get(term, 0.0))
    for sentence in proper:
        sentence.asks = True
    texts = [sentence.text for sentence in (*head, *tail)]
    on_wording = any(map(_ON_WORDING.match, texts))
    on_whole = any(map(_ON_WHOLE.match, texts)) or (not asks and any(map(_PERHAPS_ON_WHOLE.match, texts)))
    return Question(weights, on_wording or on_whole, on_wording)


def _stated(tail: list[Sentence], asked_before: list[Sentence]) -> list[Sentence]:
    """The question when no mark tells it: a short end of the message, or else what was asked the time before."""
    is_long = sum(len(sentence.words) for sentence in tail) > _STATEMENT_WORDS
    return asked_before if asked_before and is_long else tail


def _any_of(some: Sequence[Sentence], others: Sequence[Sentence]) -> bool:
    return any(sentence is other for sentence in some for other in others)


def _asks(sentence: Sentence) -> bool:
    return "?" in sentence.text or "\uff1f" in sentence.text or _QUESTION_LABEL.match(sentence.text) is not None


def _tail(page: Page, passages: Sequence[Passage]) -> list[Sentence]:
    """The last paragraph, or the end of it when it is long; nothing when the message ends in material."""
    taken: list[Sentence] = []
    words = 0
    for part in reversed(page.parts):
        if isinstance(part, str):
            if words >= 3 and not part.strip():
                break
            continue
        is_material = any(passages[sentence.passage].is_material for sentence in part.sentences[:1])
        if is_material and not page.is_data and (taken or not _is_short(part)):
            break
        if words >= 3 and sum(len(sentence.text) for sentence in part.sentences) > PARAGRAPH_CHARACTERS:
            break
        for sentence in reversed(part.sentences):
            length = max(1, len(sentence.words))
            if words and words + length > _TAIL_WORDS:
                return taken
            taken.append(sentence)
            words += length
    return taken


def _is_short(line: Line) -> bool:
    """A last line that is no passage of its own, though it follows one without a blank line."""
    return not line.marker.strip() and sum(len(sentence.words) for sentence in line.sentences) <= 40


def _head(page: Page, passages: Sequence[Passage]) -> Iterator[Sentence]:
    """What comes before the material; without material the first paragraph if it is short."""
    lines = list(page.lines())
    before = list(takewhile(lambda line: not any(passages[item.passage].is_material for item in line.sentences), lines))
    if len(before) == len(lines):
        before = before[:1] if lines and sum(len(item.words) for item in lines[0].sentences) <= _EARLIER_WORDS else []
    words = 0
    for sentence in (sentence for line in before for sentence in line.sentences):
        words += max(1, len(sentence.words))
        if words > _HEAD_WORDS:
            return
        yield sentence


def _short(pages: Sequence[Page]) -> list[Sentence]:
    sentences = [sentence for page in pages for line in page.lines() for sentence in line.sentences]
    return sentences if sum(len(sentence.words) for sentence in sentences) <= _EARLIER_WORDS else []
