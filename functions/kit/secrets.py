"""Envelope encryption: a data key per tenant, wrapped by a key-encryption key that can rotate."""

import base64
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from functions.kit.errors import DependencyUnavailable, Internal

_NONCE_BYTES = 12
_KEY_BITS = 256


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key under a key-encryption key; only the key-management service can open it."""

    kek_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class DataKey:
    """A tenant's data key in the clear, in memory only."""

    version: int
    key: bytes
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once: expanding the key takes as long as sealing a short text.
        object.__setattr__(self, "cipher", AESGCM(self.key))


class Place(NamedTuple):
    """Where a secret is stored. It is authenticated, so a ciphertext moved elsewhere does not open."""

    tenant_id: str
    table: str
    row: str
    column: str

    def associated_data(self) -> bytes:
        """`tenant|table|row|column`, AES-GCM's associated data."""
        return f"{self.tenant_id}|{self.table}|{self.row}|{self.column}".encode()


class KeyManagement(Protocol):
    """The service that keeps key-encryption keys: a file locally, a cloud KMS or Vault in a cluster."""

    async def wrap(self, data_key: bytes, tenant_id: str) -> WrappedKey:
        """Wrap a data key under the active key-encryption key."""
        ...

    async def unwrap(self, wrapped: WrappedKey, tenant_id: str) -> bytes:
        """Open a wrapped data key, whichever key-encryption key it is under."""
        ...


class DataKeys(Protocol):
    """The tenants' data keys."""

    async def active(self, tenant_id: str) -> DataKey:
        """The key that new secrets are encrypted with."""
        ...

    async def version(self, tenant_id: str, version: int) -> DataKey:
        """The key of a version, for secrets encrypted earlier."""
        ...


def new_data_key() -> bytes:
    """256 random bits."""
    return AESGCM.generate_key(_KEY_BITS)


class FileKeyManagement:
    """Key-encryption keys in a JSON file: `{"active": id, "keys": {id: base64}}`, readable by its owner alone.

    The file is read at each use (it is small and in the page cache), so a rotation is seen at once.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def wrap(self, data_key: bytes, tenant_id: str) -> WrappedKey:
        """Wrap under the active key; the tenant is authenticated with it."""
        active, keys = self._read()
        return WrappedKey(active, _seal(AESGCM(keys[active]), data_key, tenant_id.encode()))

    async def unwrap(self, wrapped: WrappedKey, tenant_id: str) -> bytes:
        """Open with the key that wrapped it.

        Raises:
            Internal: the key-encryption key is gone or the bytes were changed.
        """
        _, keys = self._read()
        if wrapped.kek_id not in keys:
            raise Internal(f"key-encryption key {wrapped.kek_id} is not in the key file")
        return _open(AESGCM(keys[wrapped.kek_id]), wrapped.wrapped, tenant_id.encode())

    def _read(self) -> tuple[str, dict[str, bytes]]:
        return read_key_file(self._path, "DCODER_KEK_FILE")


def read_key_file(path: Path | None, setting: str) -> tuple[str, dict[str, bytes]]:
    """The id of the active key, and all keys by id.

    Raises:
        Internal: the setting that names the file is empty.
        DependencyUnavailable: the file cannot be read.
    """
    if path is None:
        raise Internal(f"no key file is set ({setting})")
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise DependencyUnavailable("the key file cannot be read", details={"dependency": "keys"}) from error
    return document["active"], {name: base64.b64decode(key) for name, key in document["keys"].items()}


def create_key_file(path: Path, family: str = "kek") -> None:
    """Make a key file with one fresh key of 256 bits; an existing one is left alone.

    Args:
        family: what the ids of its keys begin with.
    """
    if not path.exists():
        _write_keys(path, f"{family}-1", {f"{family}-1": new_data_key()})


def rotate_key_file(path: Path) -> str:
    """Add a fresh key and make it the active one; older keys stay, to open what they wrapped.

    Returns:
        the new key's id.
    """
    document = json.loads(path.read_text())
    keys = {name: base64.b64decode(key) for name, key in document["keys"].items()}
    # Counted on from the highest: one that was taken out of the file may still be needed, and must not be replaced.
    family = re.sub(r"-[0-9]+$", "", document["active"])
    highest = max((int(number) for number in re.findall(rf"\b{family}-([0-9]+)", " ".join(keys))), default=0)
    name = f"{family}-{highest + 1}"
    _write_keys(path, name, {**keys, name: new_data_key()})
    return name


def _write_keys(path: Path, active: str, keys: dict[str, bytes]) -> None:
    document = {"active": active, "keys": {name: base64.b64encode(key).decode() for name, key in keys.items()}}
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        _keep_owner(path, file.fileno())
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # Until the folder is on disk, too, a power cut could bring the old file back: what the new key wraps would be lost.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _keep_owner(path: Path, descriptor: int) -> None:
    """Leave a file to whom it belongs: the functions must still be able to read it when somebody else rotates."""
    with suppress(FileNotFoundError):
        before, after = path.stat(), os.fstat(descriptor)
        if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
            os.fchown(descriptor, before.st_uid, before.st_gid)


class SecretBox:
    """Encrypts and opens a tenant's secrets, each bound to the place it is stored at.

    A ciphertext is the key's version (4 bytes, big endian), the nonce (12 bytes) and AES-256-GCM's output.
    """

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def encrypt(self, place: Place, secret: bytes) -> bytes:
        """Encrypt under the tenant's active data key."""
        return seal_under(await self._keys.active(place.tenant_id), place, secret)

    async def decrypt(self, place: Place, ciphertext: bytes) -> bytes:
        """Open a secret stored at `place`.

        Raises:
            Internal: the ciphertext was changed, or belongs to another place.
        """
        key = await self._keys.version(place.tenant_id, int.from_bytes(ciphertext[:4], "big"))
        return _open(key.cipher, ciphertext[4:], place.associated_data())


def seal_under(key: DataKey, place: Place, secret: bytes) -> bytes:
    """Encrypt under a key that is at hand, in the form that `SecretBox` opens."""
    return key.version.to_bytes(4, "big") + _seal(key.cipher, secret, place.associated_data())


def _seal(cipher: AESGCM, plaintext: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, associated)


def _open(cipher: AESGCM, ciphertext: bytes, associated: bytes) -> bytes:
    try:
        return cipher.decrypt(ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise Internal("a secret does not open: it was changed or belongs elsewhere") from error
