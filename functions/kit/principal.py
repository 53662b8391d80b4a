"""Who is behind a request, as far as a verified credential says."""

import hashlib
import re
import secrets
import string
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

API_KEY_PREFIX = "dck_"
_ALPHABET = string.digits + string.ascii_letters
_API_KEY = re.compile(r"^dck_[0-9A-Za-z]{40}$")


class Role(StrEnum):
    """Superadmins operate the platform; admins their tenant; users call it."""

    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller.

    Attributes:
        subject: the issuer's name of the user for a token, the key's id for an API key.
        tenant_id: the one tenant the credential belongs to; None for the platform's own.
        user_id: the tenant's user, the same behind a token and behind an API key; the token's subject for somebody the
            tenant has not registered.
        groups: ids of the groups that the user, or the key itself, is in.
        models: the models that the key may call, as requests name them; empty allows all.
        actions: all that the credential may be used for, whatever its roles allow; None does not limit it.
        allowed: what `functions.kit.authorisation` has found it to be allowed, to ask for it no second time.
    """

    subject: str
    kind: Literal["user", "api_key", "service"]
    tenant_id: str | None
    roles: frozenset[Role]
    api_key_id: str | None = None
    user_id: str | None = None
    plan: str | None = None
    groups: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    actions: frozenset[str] | None = None
    allowed: set[Hashable] = field(default_factory=set, init=False, repr=False, compare=False)

    @property
    def is_superadmin(self) -> bool:
        """Whether the platform's operator asks."""
        return Role.SUPERADMIN in self.roles


def new_api_key() -> str:
    """A new API key: `dck_` and 40 base62 characters, 238 bits of entropy."""
    return API_KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(40))


def is_api_key(text: str) -> bool:
    """Whether the text has the form of an API key."""
    return _API_KEY.match(text) is not None


def hash_api_key(secret: str) -> str:
    """SHA-256 of the whole key as hex: a fast hash suffices where the secret is random."""
    return hashlib.sha256(secret.encode()).hexdigest()
