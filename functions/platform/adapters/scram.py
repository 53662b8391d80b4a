"""SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677), so that no password stands in a statement or the server's log."""

import base64
import hashlib
import hmac
import os

_ITERATIONS = 4096


def scram_verifier(password: str) -> str:
    """What Postgres stores of an ASCII password: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(_hmac(salted, b'Server Key'))}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
