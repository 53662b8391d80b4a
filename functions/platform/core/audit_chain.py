"""The hash chain of audit records, and checkpoints of it that are signed with Ed25519 (RFC 8032).

The first head is SHA-256 of `dcoder audit chain NAME`, every next one of the head before and the record's bytes.
A checkpoint says how long a chain was, its head and the root of the Merkle tree over its records.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from functions.kit.audit import canonical

_VERSION = 1
_CONTEXT = b"dcoder audit checkpoint\n"
_PARTS: Mapping[str, type] = {
    "v": int, "chain": str, "size": int, "head": str, "root": str, "time": str, "keyId": str, "signature": str,
}  # fmt: skip


class ForgedCheckpoint(ValueError):
    """The document is not a checkpoint that one of the keys has signed; the message says why."""


def first_head(chain: str) -> bytes:
    """The head of a chain without records."""
    return hashlib.sha256(f"dcoder audit chain {chain}".encode()).digest()


def next_head(head: bytes, record: str) -> bytes:
    """The head after one more record."""
    return hashlib.sha256(head + record.encode()).digest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a chain was at a moment.

    Attributes:
        head: its last record's hash.
        root: hash of the Merkle tree over its records (RFC 6962).
        time: RFC 3339.
    """

    chain: str
    size: int
    head: bytes
    root: bytes
    time: str
    key_id: str

    def signed(self, seed: bytes) -> str:
        """The checkpoint as a document: canonical JSON with the signature over all the rest of it."""
        body = self._body()
        signature = Ed25519PrivateKey.from_private_bytes(seed).sign(_CONTEXT + canonical(body).encode())
        return canonical({**body, "signature": base64.b64encode(signature).decode()})

    def _body(self) -> dict[str, str | int]:
        return {
            "v": _VERSION,
            "chain": self.chain,
            "size": self.size,
            "head": self.head.hex(),
            "root": self.root.hex(),
            "time": self.time,
            "keyId": self.key_id,
        }

    @classmethod
    def read(cls, document: str | bytes) -> "Checkpoint":
        """What a document says, genuine or not.

        Raises:
            ForgedCheckpoint: it is no checkpoint's.
        """
        try:
            said = orjson.loads(document)
            if (
                not isinstance(said, dict)
                or {name: type(value) for name, value in said.items()} != _PARTS
                or said["v"] != _VERSION
            ):
                raise ForgedCheckpoint("it is not a checkpoint")
            head, root = bytes.fromhex(said["head"]), bytes.fromhex(said["root"])
        except ForgedCheckpoint:
            raise
        except ValueError as error:
            raise ForgedCheckpoint("it cannot be read") from error
        return cls(said["chain"], said["size"], head, root, said["time"], said["keyId"])

    @classmethod
    def verified(cls, document: str | bytes, keys: Mapping[str, Ed25519PublicKey]) -> "Checkpoint":
        """What a document says, once a key has vouched for it.

        Raises:
            ForgedCheckpoint: none has.
        """
        found = cls.read(document)
        key = keys.get(found.key_id)
        if key is None:
            raise ForgedCheckpoint(f"it names the key {found.key_id}, which is unknown")
        try:
            signature = base64.b64decode(orjson.loads(document)["signature"], validate=True)
            key.verify(signature, _CONTEXT + canonical(found._body()).encode())  # noqa: SLF001 - our own
        except (InvalidSignature, ValueError) as error:
            raise ForgedCheckpoint(f"its signature is not by {found.key_id}") from error
        return found


def public_keys(keys: Mapping[str, bytes]) -> dict[str, Ed25519PublicKey]:
    """The public halves of the keys in a key file."""
    return {name: Ed25519PrivateKey.from_private_bytes(seed).public_key() for name, seed in keys.items()}
