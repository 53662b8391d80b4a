"""The simulator's tokenizer: simple, documented in README.md, the same for every provider."""

import re
from collections.abc import Iterator

# Words of more than six characters cost more than one token, as they do in the providers' vocabularies.
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")

PER_MESSAGE = 4
PER_REPLY = 3
PER_IMAGE = 85


def count(text: str) -> int:
    """Tokens of `text`: each run of up to six word characters and each other non-space character is one."""
    return len(_TOKEN.findall(text))


def first(text: str, limit: int) -> str:
    """The start of `text` that is `limit` tokens long; all of it when it is shorter."""
    if limit <= 0:
        return ""
    for number, match in enumerate(_TOKEN.finditer(text), start=1):
        if number == limit:
            return text[: match.end()] if _TOKEN.search(text, match.end()) else text
    return text


def words(text: str) -> list[str]:
    """`text` cut before each run of spaces; the parts' tokens add up to those of the whole."""
    return _WORD.findall(text)


def fragments(text: str, size: int) -> Iterator[str]:
    """`text` cut after every `size` tokens; the parts' tokens add up to those of the whole."""
    start = 0
    for number, match in enumerate(_TOKEN.finditer(text), start=1):
        if number % size == 0:
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]
