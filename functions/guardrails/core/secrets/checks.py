"""Tells credentials from what merely looks like them: placeholders, hashes, identifiers and words."""

import base64
import binascii
import json
import math
import re
from collections import Counter
from zlib import crc32

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|dummy|fake|changeme|change_me|your[_-]?|my[_-]?(?:key|token|secret)|insert|replace|redacted"
    r"|xxxx|\*{3,}|\.{3}|todo|test[_-]?(?:key|token)|abcdef|123456789|0{8}|<|>|\$\{|\{\{|\$\(|%\(|process\.env|os\.environ|getenv",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
# Digests: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512 in hexadecimal.
_DIGEST = re.compile(
    r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})", re.IGNORECASE
)
_CODE = re.compile(
    r"^[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)+$|\(|\)|^[A-Z][A-Z0-9_]+$|^\$\w+$|^self\.|^[a-z]+(?:[_-][a-z]+)+$"
)
_LEAST_RANDOM = 3.4
_PASSWORD_WORDS = frozenset(
    [
        "required", "optional", "string", "str", "none", "null", "true", "false", "value", "secret", "password",
        "passwort", "hidden", "invalid", "incorrect", "wrong", "correct", "expired", "empty", "forgotten", "needed",
        "stored", "hashed", "encrypted", "changed", "reset", "protected", "input", "field", "text", "not",
    ]
)  # fmt: skip


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def is_placeholder(text: str) -> bool:
    """Whether it stands for a credential that is not there, or is one character over and over."""
    return bool(_PLACEHOLDER.search(text)) or len(set(text)) < 5


def is_mixed(text: str) -> bool:
    """Whether letters and digits mix, as in random text and seldom in words."""
    return any(character.isdigit() for character in text) and any(character.isalpha() for character in text)


def random(text: str) -> bool:
    """Whether an assigned value is random rather than a word, a name in code, a path, an identifier or a digest."""
    if _UUID.fullmatch(text) or _CODE.search(text) or not is_mixed(text):
        return False
    if _DIGEST.fullmatch(text):
        return len(text) in {32, 40, 64}
    return entropy(text) >= _LEAST_RANDOM and "/" not in text[:2]


def password(text: str) -> bool:
    """Whether an assigned value may be a password: no placeholder, no word that describes one."""
    if text.lower().strip(".!?*_-") in _PASSWORD_WORDS or text[0] in "$%{<([" or _UUID.fullmatch(text):
        return False
    kinds = sum(bool(re.search(kind, text)) for kind in ("[a-z]", "[A-Z]", r"\d", r"[^\w\s]"))
    return kinds >= 2 and not re.fullmatch(r"[A-Z]?[a-z]+[.!?,]?", text) and not _CODE.search(text)


def github(text: str) -> bool:
    """The last six characters of a GitHub token are the CRC-32 of the rest in base 62."""
    body, check = text[4:34], text[34:]
    number = crc32(body.encode())
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits.rjust(6, "0") == check


def jwt(text: str) -> bool:
    """Whether the first part of a token is a JOSE header (RFC 7515)."""
    header = text.split(".", 1)[0]
    try:
        loaded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(loaded, dict) and "alg" in loaded


def basic(text: str) -> bool:
    """Whether it is a user and a password (RFC 7617)."""
    try:
        user, colon, secret = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    return bool(colon) and bool(user) and bool(secret) and (user + secret).isprintable()
