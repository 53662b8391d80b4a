"""A verifier is what RFC 5802 says it is: the server learns nothing, and knows the password when it comes."""

import base64
import hashlib
import hmac

from functions.platform.adapters.scram import scram_verifier


def test_a_verifier_verifies_its_password_and_no_other() -> None:
    for offered, expected in (("pencil", True), ("pencils", False)):
        assert _accepts(scram_verifier("pencil"), offered) is expected


def test_two_verifiers_of_one_password_differ() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")


def _accepts(verifier: str, password: str) -> bool:
    mechanism, salting, keys = verifier.split("$")
    assert mechanism == "SCRAM-SHA-256"
    iterations, salt = salting.split(":")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client = hmac.digest(salted, b"Client Key", "sha256")
    # The client's proof, and what the server makes of it.
    signature = hmac.digest(hashlib.sha256(client).digest(), b"exchange", "sha256")
    proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
    seen = hmac.digest(stored, b"exchange", "sha256")
    opened = bytes(a ^ b for a, b in zip(proof, seen, strict=True))
    return hashlib.sha256(opened).digest() == stored and hmac.digest(salted, b"Server Key", "sha256") == server
