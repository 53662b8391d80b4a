"""Identifiers: UUIDv7 (RFC 9562), so that rows sort by the time they were made."""

import re

from uuid_utils import uuid7

# What Postgres takes for one; other spellings are not ours.
UUID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_ID = re.compile(UUID_PATTERN)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def new_id() -> str:
    """A new UUIDv7 as text."""
    return str(uuid7())


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, as this platform writes them; the database is not asked for others."""
    return _ID.fullmatch(text) is not None


def is_request_id(text: str) -> bool:
    """Whether a client's request id may be kept: 1 to 128 of letters, digits, dot, underscore, hyphen."""
    return _REQUEST_ID.fullmatch(text) is not None
