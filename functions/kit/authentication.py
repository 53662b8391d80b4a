"""Verifies credentials: API keys against their hashes, tokens against the issuer's published keys."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import aiohttp
import jwt

from functions.kit.clock import utc_now
from functions.kit.context import suspect
from functions.kit.database import Databases
from functions.kit.errors import DependencyUnavailable, Forbidden, Unauthenticated
from functions.kit.members import Account, Member, MemberDirectory
from functions.kit.principal import Principal, Role, hash_api_key, is_api_key
from functions.kit.service_tokens import ServiceTokens, is_service_token
from functions.kit.session_store import SessionId
from functions.kit.sessions import Sessions
from functions.kit.stale_cache import StaleCache
from functions.kit.tenancy import TenantDirectory, TenantSuspended

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
_KEY_QUERY = """
    SELECT key_id::text, tenant_id::text, user_id, roles, active, expires_at, tenant_status, tenant_plan, groups, models
    FROM runtime.api_keys WHERE key_hash = $1
"""
_REFRESH_SECONDS = 300.0
_UNKNOWN_KEY_SECONDS = 5.0
_VERIFIED_TOKENS = 10_000


class ApiKeys:
    """Verifies API keys, from memory for a few seconds and while the database is away."""

    def __init__(self, databases: Databases, *, fresh: float, stale: float) -> None:
        self._databases = databases
        self._cache: StaleCache[str, _KnownKey | None] = StaleCache(self._load, fresh=fresh, stale=stale)

    async def verify(self, secret: str) -> Principal:
        """The principal behind a key.

        Raises:
            Unauthenticated: the key is malformed, unknown, revoked or expired.
            TenantSuspended: its tenant may not call.
            DependencyUnavailable: the database is away and the key is not known from before.
        """
        if not is_api_key(secret):
            raise Unauthenticated("the API key is not valid")
        known = await self._cache.get(hash_api_key(secret))
        if known is None:
            raise Unauthenticated("the API key is not valid")
        if not known.active or _is_past(known.expires_at):
            suspect(known.principal)
            raise Unauthenticated("the API key is not valid")
        if known.tenant_status != "active":
            suspect(known.principal)
            raise TenantSuspended(f"the tenant is {known.tenant_status}")
        return known.principal

    def forget_all(self) -> None:
        """Ask for every key again at its next use."""
        self._cache.forget_all()

    async def _load(self, key_hash: str) -> "_KnownKey | None":
        async with self._databases.acquire() as connection:
            row = await connection.fetchrow(_KEY_QUERY, key_hash)
        return _KnownKey.of(dict(row)) if row else None


@dataclass(frozen=True, slots=True)
class _KnownKey:
    """A key as it was read last."""

    principal: Principal
    active: bool
    expires_at: datetime | None
    tenant_status: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "_KnownKey":
        principal = Principal(
            subject=row["key_id"],
            kind="api_key",
            tenant_id=row["tenant_id"],
            roles=frozenset(Role(role) for role in row["roles"]),
            api_key_id=row["key_id"],
            user_id=row["user_id"],
            plan=row["tenant_plan"],
            groups=frozenset(row["groups"]),
            models=frozenset(row["models"]),
        )
        return cls(principal, row["active"], row["expires_at"], row["tenant_status"])


class JwksCache:
    """The issuer's signing keys, asked again every five minutes and, now and then, when an unknown key id appears.

    While the issuer is away the keys known last go on serving.

    Args:
        unknown_seconds: an unknown key id makes us ask at most so often: anybody can make one up.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, *, unknown_seconds: float = _UNKNOWN_KEY_SECONDS) -> None:
        self._http = http
        self._url = url
        self._cache: StaleCache[str, Mapping[str, jwt.PyJWK]] = StaleCache(
            self._load, fresh=_REFRESH_SECONDS, stale=86_400
        )
        self._unknown_seconds = unknown_seconds
        self._ask_again_at = 0.0
        self._failure: DependencyUnavailable | None = None

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The public key of that id.

        Raises:
            Unauthenticated: the issuer has no such key.
            DependencyUnavailable: the issuer is away; the key may be one that it has made since it was reached.
        """
        keys = await self._cache.get(self._url)
        if key_id not in keys and time.monotonic() >= self._ask_again_at:
            self._ask_again_at = time.monotonic() + self._unknown_seconds
            self._cache.forget(self._url)
            keys = await self._cache.get(self._url)
        if key_id not in keys:
            if self._failure is not None:
                raise self._failure
            raise Unauthenticated("the token is signed by an unknown key")
        return keys[key_id]

    async def _load(self, url: str) -> Mapping[str, jwt.PyJWK]:
        try:
            async with self._http.get(url, timeout=aiohttp.ClientTimeout(total=5), allow_redirects=False) as response:
                response.raise_for_status()
                document = await response.json(content_type=None)
            found = jwt.PyJWKSet.from_dict(document).keys
        except (aiohttp.ClientError, TimeoutError, jwt.PyJWTError, ValueError, AttributeError) as error:
            self._failure = DependencyUnavailable(
                "the identity provider's keys cannot be read", details={"dependency": "identity"}
            )
            raise self._failure from error
        self._failure = None
        # A secret among them would make whoever reads the document a signer.
        return {key.key_id: key for key in found if key.key_id and key.algorithm_name in ALGORITHMS}


class Tokens:
    """Verifies bearer tokens (JWT, RFC 9068) of one issuer for one audience."""

    def __init__(
        self,
        jwks: JwksCache,
        tenants: TenantDirectory,
        members: MemberDirectory,
        *,
        issuer: str,
        audience: str,
        roles_claim: str,
        tenant_claim: str,
    ) -> None:
        self._jwks = jwks
        self._tenants = tenants
        self._members = members
        self._issuer = issuer
        self._audience = audience
        self._roles_claim = roles_claim
        self._tenant_claim = tenant_claim
        self._verified: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The principal behind a token.

        Raises:
            Unauthenticated: the token is malformed, expired, of another issuer or for another audience.
            Forbidden: its tenant does not exist, or the tenant or the user may not call.
            DependencyUnavailable: the issuer's keys or the database are away and not known from before.
        """
        return await self.principal_of(await self.claims(token))

    def tenant_in(self, claims: Mapping[str, Any]) -> str | None:
        """The tenant that claims name; whoever wrote the id down at the provider may have done so in capitals."""
        named = claims.get(self._tenant_claim)
        return str(named).lower() if named else None

    def roles_in(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        """The platform's roles among those that claims name; what the issuer calls otherwise counts for nothing."""
        return _roles(claims.get(self._roles_claim))

    async def principal_of(self, claims: Mapping[str, Any]) -> Principal:
        """The principal that verified claims name, as the tenant's register has it now.

        Raises:
            Forbidden: the tenant does not exist, or the tenant or the user may not call.
            DependencyUnavailable: the database is away and the tenant or the user is not known from before.
        """
        tenant_id, roles = self.tenant_in(claims), self.roles_in(claims)
        subject = str(claims["sub"])
        is_service = claims.get("client_id") == subject
        kind: Literal["service", "user"] = "service" if is_service else "user"
        named = Principal(subject, kind, None, roles)
        suspect(named)
        plan = await self._plan_of(str(tenant_id), named) if tenant_id else None
        if tenant_id is None and Role.SUPERADMIN not in roles:
            raise Forbidden("the token names no tenant")
        member = None if tenant_id is None or is_service else await self._member(str(tenant_id), subject, claims)
        return Principal(
            subject=subject,
            kind=kind,
            tenant_id=str(tenant_id) if tenant_id else None,
            roles=roles if member is None else (roles & {Role.SUPERADMIN}) | {member.role},
            user_id=None if is_service else member.user_id if member else subject,
            plan=plan,
            groups=member.groups if member else frozenset(),
        )

    async def _member(self, tenant_id: str, subject: str, claims: Mapping[str, Any]) -> Member | None:
        # Anybody may claim an address that nobody has verified.
        email = str(claims.get("email") or "") if claims.get("email_verified") is True else ""
        member = await self._members.find(Account(tenant_id, subject, email or None))
        if member is not None:
            member.ensure_welcome()
        return member

    async def _plan_of(self, tenant_id: str, named: Principal) -> str:
        tenant = await self._tenants.find(tenant_id)
        if tenant is None:
            raise Forbidden("the token's tenant does not exist")
        suspect(replace(named, tenant_id=tenant.id))
        if tenant.status != "active":
            raise TenantSuspended(f"the tenant is {tenant.status}")
        return tenant.plan

    async def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that is valid now.

        Raises:
            Unauthenticated: it is malformed, expired, of another issuer or for another audience.
            DependencyUnavailable: the issuer's keys are away and not known from before.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known["exp"] > time.time():
            return known
        claims = await self._decode(token, self._audience)
        self._verified[digest] = claims
        while len(self._verified) > _VERIFIED_TOKENS:
            self._verified.popitem(last=False)
        return claims

    async def id_claims(self, token: str, client_id: str) -> Mapping[str, Any]:
        """The claims of an ID token for a client (OpenID Connect Core, section 3.1.3.7); its nonce is not looked at.

        Raises:
            Unauthenticated: it is malformed, expired, of another issuer or for another client.
            DependencyUnavailable: the issuer's keys are away and not known from before.
        """
        claims = await self._decode(token, client_id)
        if claims.get("azp", client_id) != client_id:
            raise Unauthenticated("the token is for another client")
        return claims

    async def _decode(self, token: str, audience: str) -> Mapping[str, Any]:
        if not self._issuer:
            raise Unauthenticated("tokens are not accepted here")
        try:
            header = jwt.get_unverified_header(token)
            key = await self._jwks.key(str(header.get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=audience,
                issuer=self._issuer,
                options={"require": ["exp", "sub", "iss", "aud"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        # Brackets within brackets are deeper than Python goes long before a header is too long.
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated("the token is not valid") from error
        return claims


class Authenticator:
    """Turns a request's credential into a principal."""

    def __init__(self, api_keys: ApiKeys, tokens: Tokens, service_tokens: ServiceTokens, sessions: Sessions) -> None:
        self._api_keys = api_keys
        self._tokens = tokens
        self._service_tokens = service_tokens
        self._sessions = sessions

    async def authenticate(self, headers: Mapping[str, str], *, method: str) -> Principal:
        """The caller behind `Authorization: Bearer …`, `x-api-key` or, where there is neither, the session cookie.

        Args:
            method: of the request: a cookie allows changes only with proof that the platform's own pages ask for them.

        Raises:
            Unauthenticated: there is no credential, or it is not valid.
            Forbidden: the credential is valid and its tenant may not call, or the proof is missing.
            DependencyUnavailable: what verifies it is away.
        """
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        credential = credential.strip()
        if scheme and scheme.lower() != "bearer":
            raise Unauthenticated("the Authorization header must be a Bearer credential")
        credential = credential or headers.get("x-api-key", "").strip()
        if not credential and (session_id := self._sessions.id_in(headers)):
            return await self._of_session(session_id, headers, method)
        if not credential or not credential.isascii():
            raise Unauthenticated("a credential is required")
        if credential.count(".") == 2:
            issued_by = self._service_tokens if is_service_token(credential) else self._tokens
            return await issued_by.verify(credential)
        return await self._api_keys.verify(credential)

    async def _of_session(self, session_id: SessionId, headers: Mapping[str, str], method: str) -> Principal:
        session = await self._sessions.open(session_id, headers, method)
        principal = await self._tokens.principal_of(session.claims)
        if principal.tenant_id != session_id.tenant_id:
            raise Unauthenticated("the session is for another tenant; sign in again")
        return principal

    def forget_all(self) -> None:
        """Ask for every API key again at its next use: one was revoked or changed."""
        self._api_keys.forget_all()


def _roles(claim: object) -> frozenset[Role]:
    names = claim if isinstance(claim, list) else str(claim or "").split()
    return frozenset(Role(name) for name in names if name in set(Role))


def _is_past(moment: datetime | None) -> bool:
    return moment is not None and moment <= utc_now()
