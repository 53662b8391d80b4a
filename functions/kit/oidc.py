"""The identity provider as a client meets it: discovery, tokens for a code, for a refresh token, and their revocation.

OpenID Connect Core and Discovery 1.0; RFC 6749, 7009, 7636. Logto's `organization_id` narrows a token to one of the
user's organisations (docs.logto.io, Organization permissions).
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from functions.kit.errors import DependencyUnavailable
from functions.kit.stale_cache import StaleCache

_DISCOVERY_FRESH_SECONDS = 600.0
_DISCOVERY_STALE_SECONDS = 86_400.0
_SECONDS = 5.0
_ENDPOINTS = ("authorization_endpoint", "token_endpoint")


class GrantRefused(Exception):
    """The provider answered that the code, the refresh token or the client is no good; `error` is its word for it."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Client:
    """The platform as the provider knows it; without a secret it is a public client."""

    id: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What the token endpoint gave."""

    access_token: str
    refresh_token: str | None
    id_token: str | None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "TokenSet":
        """From the endpoint's answer (RFC 6749, section 5.1).

        Raises:
            DependencyUnavailable: it has no access token.
        """
        access = answer.get("access_token")
        if not isinstance(access, str):
            raise _away("the identity provider gave no access token")
        return cls(access, answer.get("refresh_token"), answer.get("id_token"))


class OidcProvider:
    """One provider, asked over HTTP.

    Args:
        issuer: its address and name; empty means that there is none.
        resource: the API that access tokens are for (RFC 8707).
    """

    def __init__(self, http: aiohttp.ClientSession, issuer: str, client: Client, resource: str) -> None:
        self._http = http
        self._issuer = issuer
        self._resource = resource
        self._discovered: StaleCache[str, Mapping[str, Any]] = StaleCache(
            self._discover, fresh=_DISCOVERY_FRESH_SECONDS, stale=_DISCOVERY_STALE_SECONDS, size=1
        )
        self._client = client

    @property
    def is_known(self) -> bool:
        """Whether the platform is a client of a provider at all."""
        return bool(self._issuer and self._client.id)

    @property
    def client_id(self) -> str:
        """The platform's name with it."""
        return self._client.id

    @property
    def issuer(self) -> str:
        """Its name in tokens."""
        return self._issuer

    @property
    def resource(self) -> str:
        """The API that access tokens are for."""
        return self._resource

    async def metadata(self) -> Mapping[str, Any]:
        """Its discovery document.

        Raises:
            DependencyUnavailable: the provider is away and was not reached within a day.
        """
        return await self._discovered.get(self._issuer)

    async def redeem_code(self, code: str, verifier: str, redirect_uri: str) -> TokenSet:
        """The tokens for an authorization code.

        Raises:
            GrantRefused: the code is not good.
            DependencyUnavailable: the provider is away.
        """
        return await self._grant(
            {
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": verifier,
                "redirect_uri": redirect_uri,
                "resource": self._resource,
            }
        )

    async def refresh(self, refresh_token: str, organization_id: str | None = None) -> TokenSet:
        """Tokens for a refresh token, which the provider may replace by another.

        Args:
            organization_id: the one of the user's organisations that the access token is for.

        Raises:
            GrantRefused: the refresh token is used up or revoked, or the user is not in the organisation.
            DependencyUnavailable: the provider is away.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "resource": self._resource}
        return await self._grant({**form, "organization_id": organization_id} if organization_id else form)

    async def revoke(self, refresh_token: str) -> None:
        """Tell the provider that a refresh token will not be used again (RFC 7009).

        Raises:
            DependencyUnavailable: the provider is away, or has no such endpoint.
        """
        endpoint = (await self.metadata()).get("revocation_endpoint")
        if not endpoint:
            raise _away("the identity provider revokes no tokens")
        await self._post(str(endpoint), {"token": refresh_token, "token_type_hint": "refresh_token"})

    async def _grant(self, form: Mapping[str, str]) -> TokenSet:
        status, answer = await self._post(str((await self.metadata())["token_endpoint"]), form)
        if status == 200:
            return TokenSet.of(answer)
        error = answer.get("error")
        if status < 500 and status != 429 and isinstance(error, str):
            raise GrantRefused(error, str(answer.get("error_description") or ""))
        raise _away(f"the identity provider answered {status}")

    async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        headers, fields = {"accept": "application/json"}, dict(form)
        if self._client.secret:
            # Both are form-encoded before they are joined (RFC 6749, section 2.3.1).
            pair = f"{quote(self._client.id, safe='')}:{quote(self._client.secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            fields["client_id"] = self._client.id
        try:
            async with self._http.post(
                url, data=fields, headers=headers, timeout=_timeout(), allow_redirects=False
            ) as response:
                text = await response.text()
                answer = await response.json(content_type=None) if text else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _away("the identity provider does not answer") from error
        return response.status, answer if isinstance(answer, dict) else {}

    async def _discover(self, issuer: str) -> Mapping[str, Any]:
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with self._http.get(url, timeout=_timeout(), allow_redirects=False) as response:
                response.raise_for_status()
                document = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _away("the identity provider does not answer") from error
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise _away("the identity provider names itself otherwise than DCODER_OIDC_ISSUER")
        if missing := [name for name in _ENDPOINTS if not isinstance(document.get(name), str)]:
            raise _away(f"the identity provider names no {', '.join(missing)}")
        return document


def _timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=_SECONDS)


def _away(message: str) -> DependencyUnavailable:
    return DependencyUnavailable(message, details={"dependency": "identity"}, retry_after=5.0)
