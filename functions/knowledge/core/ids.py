"""Identifiers of the context's things."""

import re

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether a text has the form of an id; the database is not asked for others."""
    return _ID.fullmatch(text) is not None
