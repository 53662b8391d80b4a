"""Answers a question by quoting the passage sentence that shares most words with it."""

import re
from dataclasses import dataclass

from local.simulator.asks import Ask, Role
from local.simulator.fields import names

NOT_FOUND = "I could not find an answer to that in the given passages."

_PASSAGE = re.compile(r"^\[(\d+)\][ \t]+(.*?)(?=^\[\d+\][ \t]|\n[ \t]*\n|\Z)", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(r"question\s*:\s*(.+)\Z", re.IGNORECASE | re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w+")
_COMMON = names(
    """a about an and are as at be by can could did do does for from had has have how i if in is it its many me much my
    of on or our please shall should tell than that the their them then there these they this to us was we were what
    when where which who whom whose why will with would you your"""
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered piece of context."""

    number: str
    text: str


def quoted_answer(ask: Ask) -> str | None:
    """The best sentence and its `[n]`, `NOT_FOUND` when none fits, or None when the prompt holds no passages."""
    for turn in reversed(ask.turns):
        if turn.role is not Role.ASSISTANT and (found := passages(turn.text)):
            return _best(found, _question(ask))
    return None


def passages(text: str) -> list[Passage]:
    """The passages of `text`: each starts a line with `[n] ` and ends at the next one or at an empty line."""
    return [Passage(match[1], match[2].strip()) for match in _PASSAGE.finditer(text)]


def content_words(text: str) -> list[str]:
    """Lower-case words of `text` without the common ones, in order."""
    found = (word.lower() for word in _WORD.findall(text))
    return [word for word in found if word not in _COMMON]


def stems(text: str) -> set[str]:
    """Content words without a plural's s."""
    return {word[:-1] if re.fullmatch(r"\w{3,}[^s]s", word) else word for word in content_words(text)}


def _question(ask: Ask) -> str:
    bare = _PASSAGE.sub("", ask.question).strip()
    marked = _QUESTION.search(bare)
    return marked[1] if marked else bare


def _best(found: list[Passage], question: str) -> str:
    wanted = stems(question)
    candidates = [(sentence, passage.number) for passage in found for sentence in _sentences(passage.text)]
    scored = [(len(wanted & stems(sentence)), sentence, number) for sentence, number in candidates]
    score, sentence, number = max(scored, key=lambda candidate: candidate[0], default=(0, "", ""))
    return f"{sentence} [{number}]" if score else NOT_FOUND


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip()]
