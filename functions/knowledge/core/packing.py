"""Chooses what of the found passages a model is shown, within a budget of tokens."""

import re
from collections.abc import Sequence

from functions.knowledge.core.search_ports import Passage

_CHARACTERS_PER_TOKEN = 4
_EMPTY_LINES = re.compile(r"\n\s*\n+")


def tokens(text: str) -> int:
    """About how many tokens a text has; on the safe side for scripts whose characters are tokens of their own."""
    wide = sum(ord(letter) > 0x2E7F for letter in text)
    return wide + (len(text) - wide) // _CHARACTERS_PER_TOKEN + 1


def pack(passages: Sequence[Passage], budget: int) -> list[Passage]:
    """The best passages that fit, best first, each whole; the same text only once, the first always.

    Args:
        budget: in tokens, for all of them as `shown` writes them.
    """
    chosen: list[Passage] = []
    left, seen = budget, set[str]()
    for passage in passages:
        text = passage.chunk.text
        cost = tokens(shown(passage, 99))
        if text in seen or (cost > left and chosen):
            continue
        chosen.append(passage)
        seen.add(text)
        left -= cost
    return chosen


def shown(passage: Passage, number: int) -> str:
    """A passage as the model reads it: its number, its text without empty lines, where it is from."""
    chunk = passage.chunk
    place = " > ".join((passage.document_name, *chunk.headings)) if chunk.kind != "code" else chunk.path
    # On one line, whatever a heading has in it.
    place = " ".join(place.split())
    text = _EMPTY_LINES.sub("\n", chunk.text.strip())
    # A line of the text must not begin as a passage does.
    text = re.sub(r"(?m)^\[(?=\d+\])", " [", text)
    return f"[{number}] {text}\nSource: {place}"


def prompt(instructions: str, question: str, passages: Sequence[Passage]) -> list[dict[str, str]]:
    """The messages that ask for an answer."""
    context = "\n\n".join(shown(passage, number) for number, passage in enumerate(passages, start=1))
    return [
        {"role": "system", "content": instructions},
        {"role": "user", "content": f"Passages:\n\n{context}\n\nQuestion: {question}"},
    ]
