"""Tokens with which the platform's own functions call each other for a tenant: signed here, good for two minutes.

A function that works for somebody (embeds a document, runs an agent) has no credential of theirs. It signs one that
says who it is, for whom, and the few actions it needs; every function verifies it by the same key file. JWT (RFC 7519)
with Ed25519 signatures (RFC 8037), so that the edge treats it as any other token.
"""

import base64
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from functions.kit.errors import Forbidden, Unauthenticated
from functions.kit.principal import Principal, Role
from functions.kit.secrets import read_key_file
from functions.kit.tenancy import TenantDirectory

_TYPE = "dcoder-service+jwt"
_AUDIENCE = "dcoder:functions"
_ALGORITHM = "EdDSA"
_SECONDS = 120
_LEEWAY_SECONDS = 10
_VERIFIED = 1_000


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """For whom a function works: limits, policies and usage are theirs.

    Attributes:
        roles: what they may be; the token's actions limit it further.
        models: the models that their API key may call; empty allows all.
    """

    tenant_id: str
    user_id: str | None = None
    api_key_id: str | None = None
    groups: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset({Role.USER})
    models: frozenset[str] = frozenset()

    @classmethod
    def of(cls, principal: Principal, tenant_id: str) -> "OnBehalf":
        """Whoever makes the current request; the operator's power does not travel with it."""
        roles = frozenset({Role.ADMIN if principal.roles & {Role.ADMIN, Role.SUPERADMIN} else Role.USER})
        return cls(tenant_id, principal.user_id, principal.api_key_id, principal.groups, roles, principal.models)

    def fields(self) -> dict[str, Any]:
        """As it is stored for work that is done later; the tenant is that of the place."""
        return {
            "userId": self.user_id,
            "apiKeyId": self.api_key_id,
            "groups": sorted(self.groups),
            "roles": sorted(self.roles),
            "models": sorted(self.models),
        }

    @classmethod
    def stored(cls, fields: Mapping[str, Any], tenant_id: str) -> "OnBehalf":
        """From such fields."""
        return cls(
            tenant_id,
            fields["userId"],
            fields["apiKeyId"],
            frozenset(fields["groups"]),
            frozenset(Role(role) for role in fields["roles"]),
            frozenset(fields["models"]),
        )


class ServiceTokens:
    """Signs and verifies them.

    Args:
        path: the key file, `{"active": id, "keys": {id: base64 of 32 bytes}}`, as the key-encryption keys' is; read at
            each signature, so a rotation is seen at once.
        tenant_claim: the claim that the edge, too, reads the tenant from.
    """

    def __init__(self, path: Path | None, tenants: TenantDirectory, *, platform_id: str, tenant_claim: str) -> None:
        self._path = path
        self._tenants = tenants
        self._issuer = f"dcoder:{platform_id}"
        self._tenant_claim = tenant_claim
        self._verified: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()

    def mint(self, service: str, behalf: OnBehalf, actions: frozenset[str]) -> str:
        """A token for one call.

        Args:
            service: the function that asks, by its name in the catalogue.
            actions: what it may do, as `require(…)` names it.

        Raises:
            Internal: no key file is set.
            DependencyUnavailable: the key file cannot be read.
        """
        active, keys = read_key_file(self._path, "DCODER_SERVICE_KEYS_FILE")
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": _AUDIENCE,
            "sub": service,
            "iat": now,
            "exp": now + _SECONDS,
            self._tenant_claim: behalf.tenant_id,
            "roles": sorted(behalf.roles),
            "actions": sorted(actions),
            "user": behalf.user_id,
            "api_key": behalf.api_key_id,
            "groups": sorted(behalf.groups),
            "models": sorted(behalf.models),
        }
        key = Ed25519PrivateKey.from_private_bytes(keys[active])
        return jwt.encode(claims, key, algorithm=_ALGORITHM, headers={"kid": active, "typ": _TYPE})

    async def verify(self, token: str) -> Principal:
        """The principal behind a token.

        Raises:
            Unauthenticated: it is not signed by a key of the file, has expired, or is of another platform.
            Forbidden: its tenant does not exist or may not call.
            DependencyUnavailable: the key file or the database is away and the tenant is not known from before.
        """
        claims = self._claims(token)
        tenant = await self._tenants.find(claims[self._tenant_claim])
        if tenant is None:
            raise Forbidden("the token's tenant does not exist")
        tenant.ensure_active()
        return Principal(
            subject=claims["sub"],
            kind="service",
            tenant_id=tenant.id,
            roles=frozenset(Role(role) for role in claims["roles"]),
            api_key_id=claims["api_key"],
            user_id=claims["user"],
            plan=tenant.plan,
            groups=frozenset(claims["groups"]),
            models=frozenset(claims["models"]),
            actions=frozenset(claims["actions"]),
        )

    def _claims(self, token: str) -> Mapping[str, Any]:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known["exp"] > time.time():
            return known
        claims = self._decode(token)
        self._verified[digest] = claims
        while len(self._verified) > _VERIFIED:
            self._verified.popitem(last=False)
        return claims

    def _decode(self, token: str) -> Mapping[str, Any]:
        _, keys = read_key_file(self._path, "DCODER_SERVICE_KEYS_FILE")
        try:
            seed = keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if seed is None:
                raise Unauthenticated("the token is signed by an unknown key")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                Ed25519PrivateKey.from_private_bytes(seed).public_key(),
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", self._tenant_claim]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated("the token is not valid") from error
        return claims


def is_service_token(token: str) -> bool:
    """Whether a token says that it is one of these; nothing of it is verified here."""
    try:
        head = token.partition(".")[0]
        document = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("typ") == _TYPE
