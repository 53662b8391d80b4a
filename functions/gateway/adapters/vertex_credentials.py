"""Access tokens for Vertex AI, made from a service account's key.

Source: developers.google.com/identity/protocols/oauth2/service-account (RFC 7523, JWT bearer grant).
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import jwt
import orjson

from functions.gateway.adapters.provider_errors import details_of
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest
from functions.gateway.core.errors import ProviderAuthenticationFailed, ProviderBadResponse, ProviderRejected
from functions.gateway.core.models import Json, Target
from functions.kit.egress import EgressDenied, EgressPolicy

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_HOST = "oauth2.googleapis.com"  # noqa: S105 - a host, no secret
_TOKEN_URI = f"https://{_TOKEN_HOST}/token"
_ASSERTION_SECONDS = 3600
# A token is not used in its last minute: the call that carries it takes its time.
_EARLY_SECONDS = 60
_MOST_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What a service account's key file says. Lives in memory only."""

    email: str
    private_key: str = field(repr=False)
    key_id: str
    project: str
    token_uri: str

    @classmethod
    def of(cls, api_key: str, target: Target) -> "ServiceAccount | None":
        """Read the provider's key; None when it is a bare access token.

        Raises:
            ProviderAuthenticationFailed: it is JSON and not a service account's key.
        """
        if not api_key.lstrip().startswith("{"):
            return None
        try:
            key = orjson.loads(api_key)
            return cls(
                key["client_email"],
                key["private_key"],
                key.get("private_key_id", ""),
                key.get("project_id", ""),
                key.get("token_uri") or _TOKEN_URI,
            )
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ProviderAuthenticationFailed(
                "the configured key is not the JSON key of a service account", details=details_of(target)
            ) from error


@dataclass(slots=True)
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    usable_until: float = 0.0


class VertexCredentials:
    """Fetches access tokens and keeps them until shortly before they expire.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, http: ProviderHttp, egress: EgressPolicy, *, clock: Callable[[], float] = time.time) -> None:
        self._http = http
        self._egress = egress
        self._clock = clock
        self._slots: OrderedDict[bytes, _Slot] = OrderedDict()

    async def token(self, target: Target) -> str:
        """The access token for a provider; its key itself when that is a token.

        Raises:
            DcoderError: the key is not accepted, or the token endpoint is away or not allowed.
        """
        api_key = target.provider.api_key.strip()
        account = ServiceAccount.of(api_key, target)
        if account is None:
            return api_key
        slot = self._slot(api_key)
        # Whoever comes while a token is being fetched waits for that one.
        async with slot.lock:
            if self._clock() >= slot.usable_until:
                answer = await self._fetch(account, target)
                slot.token = answer["access_token"]
                slot.usable_until = self._clock() + answer["expires_in"] - _EARLY_SECONDS
            return slot.token

    def forget(self, target: Target) -> None:
        """The provider did not accept the token: fetch another at the next call."""
        self._slots.pop(_digest(target.provider.api_key), None)

    def _slot(self, api_key: str) -> _Slot:
        digest = _digest(api_key)
        slot = self._slots.setdefault(digest, _Slot())
        self._slots.move_to_end(digest)
        if len(self._slots) > _MOST_TOKENS:
            self._slots.popitem(last=False)
        return slot

    async def _fetch(self, account: ServiceAccount, target: Target) -> Json:
        self._check(account.token_uri)
        body = urlencode({"grant_type": _GRANT, "assertion": self._assertion(account, target)}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        try:
            answer = await self._http.post(ProviderRequest(target, account.token_uri, headers, body))
        except ProviderRejected as error:
            # The grant is refused with 400: a revoked key, a deleted account, a clock that is wrong.
            raise ProviderAuthenticationFailed(
                "Google does not accept the configured service account's key", details=error.details
            ) from error
        lifetime = answer.get("expires_in")
        if not isinstance(answer.get("access_token"), str) or not isinstance(lifetime, int):
            raise ProviderBadResponse("the token endpoint's answer has no token", details=details_of(target))
        return answer

    def _check(self, token_uri: str) -> None:
        """The assertion goes to Google, or where the operator allows it.

        Raises:
            EgressDenied: the key file names another place.
        """
        self._egress.check_url(token_uri, "vertex")
        parts = urlsplit(token_uri)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if host != _TOKEN_HOST and not self._egress.vouches_for(host, port):
            raise EgressDenied(f"{host}:{port} is not an allowed token endpoint", details={"host": host, "port": port})

    def _assertion(self, account: ServiceAccount, target: Target) -> str:
        now = int(self._clock())
        claims = {
            "iss": account.email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        try:
            return jwt.encode(claims, account.private_key, algorithm="RS256", headers={"kid": account.key_id})
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ProviderAuthenticationFailed(
                "the private key in the configured service account's key cannot be read", details=details_of(target)
            ) from error


def _digest(api_key: str) -> bytes:
    return hashlib.sha256(api_key.encode()).digest()
