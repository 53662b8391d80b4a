"""What Postgres cannot keep of JSON."""

import re

# The escape itself: not the same letters behind a backslash that is one, as regular expressions have them.
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def holds_zero(encoded: bytes) -> bool:
    """Whether a text in some JSON has the character zero, which is in no text of Postgres."""
    return b"\\u0000" in encoded and _ZERO.search(encoded) is not None
