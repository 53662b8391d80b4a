"""What JSON and Postgres cannot keep."""

import re
from typing import Any

import orjson

# The escape itself: not the same letters behind a backslash that is one, as regular expressions have them.
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def encoded(value: Any, what: str) -> bytes:
    """A value as JSON.

    Args:
        what: names it to whoever sent it.

    Raises:
        ValueError: it holds what JSON has not.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        message = f"{what} may hold numbers of 64 bits and well-formed text only, nested 250 deep"
        raise ValueError(message) from error


def holds_zero(document: bytes) -> bool:
    """Whether a text in some JSON has the character zero, which is in no text of Postgres."""
    return b"\\u0000" in document and _ZERO.search(document) is not None
