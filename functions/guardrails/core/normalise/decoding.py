"""Finds encoded payloads in a text and reads them: base64, base32, hex, binary, URL, HTML, escapes, rot13, atbash.

Everything is bounded: how long a payload may be, how many are read, how deep they nest (see `views`).
"""

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

from functions.guardrails.core.normalise.view import View

MOST_PAYLOADS = 32
MOST_CHARACTERS = 65_536
_FEWEST_CHARACTERS = 6

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{16,})*={0,2}")
_BASE32 = re.compile(r"(?<![A-Za-z0-9=])[A-Z2-7]{24,}={0,6}(?![A-Za-z0-9=])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x)?[0-9a-fA-F]{2}[ :,-]{0,2}){8,}(?![0-9A-Za-z])")
_BINARY = re.compile(r"(?<![01])(?:[01]{8}[ ,]?){6,}(?![01])")
_DECIMAL = re.compile(r"(?<![\d.,])(?:(?:[3-9]\d|1[0-2]\d)[ ,]{1,2}){7,}(?:[3-9]\d|1[0-2]\d)(?![\d.,])")
_PERCENT = re.compile(r"(?:[\w.~+-]*%[0-9A-Fa-f]{2}[\w.~+-]*){3,}")
_ENTITIES = re.compile(r"(?:&(?:#\d{2,6}|#[xX][0-9A-Fa-f]{2,5}|[a-z]{2,6});[\w ]{0,12}){4,}")
_ESCAPES = re.compile(r"(?:\\(?:x[0-9A-Fa-f]{2}|u\{[0-9A-Fa-f]{2,5}\}|u[0-9A-Fa-f]{4}|[01][0-7]{2})[\w ]{0,6}){4,}")
# Trigger words as rot13 writes them: a whole-text view is only worth its while when some are there.
_ROT13 = (
    "vtaber", "qvfertneq", "sbetrg", "erirny", "cerivbhf", "vafgehpgvba", "cebzcg", "flfgrz", "cnffjbeq", "frperg",
    "bireevqr",
)  # fmt: skip


_ATBASH = (
    "rtmliv", "wrhivtziw", "ulitvg", "ivevzo", "kivelfh", "rmhgifxgrlm", "kilnkg", "hbhgvn", "kzhhdliw", "hvxivg",
    "leviirwv",
)  # fmt: skip
_MIRRORED = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA"
)


def decoded(view: View) -> Iterator[View]:
    """Every payload in the view that reads as text, at most `MOST_PAYLOADS`."""
    left = MOST_PAYLOADS
    for name, sign, pattern, read in _CODES:
        if sign not in view.text:
            continue
        for match in pattern.finditer(view.text):
            text = read(match[0][:MOST_CHARACTERS])
            if text is None or not _reads_as_text(text):
                continue
            yield view.derive(name, [(text, match.start(), match.end())], decoded=True)
            left -= 1
            if not left:
                return
    lowered = view.text.lower()
    if sum(word in lowered for word in _ROT13) >= 2:
        yield view.derive("rot13", [(codecs.encode(view.text, "rot13"), 0, len(view.text))])
    if sum(word in lowered for word in _ATBASH) >= 2:
        yield view.derive("atbash", [(view.text.translate(_MIRRORED), 0, len(view.text))])


def _from_base64(payload: str) -> str | None:
    compact = re.sub(r"\s", "", payload).rstrip("=").replace("-", "+").replace("_", "/")
    if len(compact) % 4 == 1 or compact.isdigit() or (compact.isalpha() and (compact.islower() or compact.isupper())):
        return None
    try:
        return _utf8(base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True))
    except binascii.Error:
        return None


def _from_base32(payload: str) -> str | None:
    compact = payload.rstrip("=")
    try:
        return _utf8(base64.b32decode(compact + "=" * (-len(compact) % 8)))
    except binascii.Error:
        return None


def _from_hex(payload: str) -> str | None:
    digits = re.sub(r"0x|[ :,-]", "", payload)
    return None if digits.isdigit() and len(digits) < 24 else _utf8(bytes.fromhex(digits))


def _from_binary(payload: str) -> str | None:
    return _utf8(bytes(int(bits, 2) for bits in re.findall(r"[01]{8}", payload)))


def _from_decimal(payload: str) -> str | None:
    return _utf8(bytes(int(code) for code in re.findall(r"\d+", payload)))


def _from_percent(payload: str) -> str | None:
    return _utf8(unquote_to_bytes(payload.replace("+", " ")))


def _from_escapes(payload: str) -> str | None:
    return re.sub(
        r"\\(?:x([0-9A-Fa-f]{2})|u\{?([0-9A-Fa-f]{2,5})\}?|([01][0-7]{2}))",
        lambda found: chr(int(found[3], 8)) if found[3] else chr(int(found[1] or found[2], 16)),
        payload,
    )


# Name, a character without which it cannot be there, how it looks, how it is read.
_CODES: tuple[tuple[str, str, re.Pattern[str], Callable[[str], str | None]], ...] = (
    ("url", "%", _PERCENT, _from_percent),
    ("html", "&", _ENTITIES, html.unescape),
    ("escapes", "\\", _ESCAPES, _from_escapes),
    ("binary", "0", _BINARY, _from_binary),
    ("decimal", "1", _DECIMAL, _from_decimal),
    ("hex", "6", _HEX, _from_hex),
    ("base64", "", _BASE64, _from_base64),
    ("base32", "", _BASE32, _from_base32),
)


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _reads_as_text(text: str) -> bool:
    """Whether a decoded payload is language: printable, mostly letters, not one long token."""
    if len(text) < _FEWEST_CHARACTERS:
        return False
    printable = sum(character.isprintable() or character in "\n\r\t" for character in text)
    letters = sum(character.isalpha() or character == " " for character in text)
    return printable == len(text) and letters * 10 >= len(text) * 7
