"""Opaque keyset cursors: the sort key of the last row, signed by nothing because it grants nothing."""

import base64
import binascii
import json

from functions.kit.errors import InvalidRequest
from functions.kit.identifiers import is_id


def encode_cursor(*key: str | int) -> str:
    """The cursor after the row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type[str] | type[int]) -> tuple[str | int, ...]:
    """The sort key in a cursor.

    Raises:
        InvalidRequest: the text is not a cursor of this listing.
    """
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, UnicodeError, RecursionError) as error:
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"}) from error
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds) or not all(map(_is_storable, key)):
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
    return tuple(key)


def _is_storable(part: str | int) -> bool:
    """Whether the database can compare with it: a bigint, or text without NUL and halves of surrogate pairs."""
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return "\0" not in part and not any("\ud800" <= character <= "\udfff" for character in part)


def id_in_cursor(cursor: str | None) -> str | None:
    """The id of the last row seen.

    Raises:
        InvalidRequest: the cursor is not one of a listing by id.
    """
    if cursor is None:
        return None
    last = str(decode_cursor(cursor, str)[0])
    if not is_id(last):
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
    return last
