"""Asks a provider for its list of models, the least costly call that needs the key.

Sources: platform.openai.com/docs/api-reference/models, console.groq.com/docs/openai,
docs.anthropic.com/en/api/models-list, ai.google.dev/api/models,
cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models/list,
developers.google.com/identity/protocols/oauth2/service-account (RFC 7523, JWT bearer grant).
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import jwt
import orjson

from functions.kit.bounded import read_at_most
from functions.kit.egress import PROVIDER_URLS, EgressDenied, EgressPolicy
from functions.platform.core.probe_provider import ProviderAccess, Trouble

_SECONDS = 6.0
_CONNECT_SECONDS = 3.0
_MOST_BYTES = 64 * 1024
_ANTHROPIC_VERSION = "2023-06-01"
_TOKEN_HOST = "oauth2.googleapis.com"  # noqa: S105 - a host, no secret
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PROJECT = re.compile(r"/projects/[^/]+/locations/[^/]+")
_REGIONAL_HOST = re.compile(r"([a-z0-9-]+)-aiplatform\.googleapis\.com")

_WRONG_KEY = Trouble("authentication_failed", "the provider does not accept the key")
_NOT_AN_ACCOUNT = Trouble("authentication_failed", "the key is not the JSON key of a service account")


class _Failed(Exception):
    """The test is over; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.code)
        self.trouble = trouble


class HttpProber:
    """Port `Prober`.

    Args:
        session: resolves names by the egress policy and keeps no cookies.
    """

    def __init__(self, session: aiohttp.ClientSession, egress: EgressPolicy) -> None:
        self._session = session
        self._egress = egress

    async def list_models(self, access: ProviderAccess) -> Trouble | None:
        """Ask for the list of models; None when it came. Takes six seconds at most."""
        try:
            async with asyncio.timeout(_SECONDS):
                await self._list(access)
        except _Failed as failed:
            return failed.trouble
        except EgressDenied as denied:
            return Trouble(denied.code, denied.message)
        except TimeoutError:
            return Trouble("timeout", "the provider did not answer in time")
        except aiohttp.ClientSSLError:
            return Trouble("tls_failed", "the provider's certificate is not valid for its address")
        except (aiohttp.ClientError, OSError):
            return Trouble("unreachable", "the provider cannot be reached")
        return None

    async def _list(self, access: ProviderAccess) -> None:
        base = (access.base_url or PROVIDER_URLS[access.kind]).rstrip("/")
        # Before anything is sent: a service account's key buys a token on the way.
        self._egress.check_url(base, access.kind)
        if access.kind == "vertex":
            account = _service_account(access.api_key)
            token = await self._token(account) if account else access.api_key.strip()
            await self._get(
                access, f"{_location(base, account)}/models?pageSize=1", {"authorization": f"Bearer {token}"}
            )
        elif access.kind == "google":
            await self._get(access, f"{base}/models?pageSize=1", {"x-goog-api-key": access.api_key})
        elif access.kind == "anthropic":
            headers = {"x-api-key": access.api_key, "anthropic-version": _ANTHROPIC_VERSION}
            await self._get(access, f"{base}/models?limit=1", headers)
        else:
            await self._get(access, f"{base}/models", {"authorization": f"Bearer {access.api_key}"})

    async def _get(self, access: ProviderAccess, url: str, headers: Mapping[str, str]) -> None:
        timeout = aiohttp.ClientTimeout(total=_SECONDS, connect=_CONNECT_SECONDS)
        # A redirect could carry the key to a host that nobody allowed.
        async with self._session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise _Failed(_refusal(access.kind, response.status))
            if response.content_type != "application/json":
                raise _Failed(Trouble("bad_answer", "what answers at the address is no provider's API"))

    async def _token(self, account: Mapping[str, Any]) -> str:
        """An access token for a service account, as VertexAI's own libraries get it."""
        address = str(account.get("token_uri") or f"https://{_TOKEN_HOST}/token")
        self._check_token_address(address)
        form = {"grant_type": _GRANT, "assertion": _assertion(account, address)}
        timeout = aiohttp.ClientTimeout(total=_SECONDS, connect=_CONNECT_SECONDS)
        async with self._session.post(address, data=form, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                # The grant is refused with 400: a revoked key, a deleted account, a clock that is wrong.
                raise _Failed(_WRONG_KEY if response.status == 400 else _refusal("vertex", response.status))
            body, _ = await read_at_most(response, _MOST_BYTES)
        try:
            return str(orjson.loads(body)["access_token"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise _Failed(Trouble("bad_answer", "the token endpoint's answer has no token")) from error

    def _check_token_address(self, address: str) -> None:
        """The assertion goes to Google, or where the operator allows it."""
        self._egress.check_url(address, "vertex")
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if host != _TOKEN_HOST and not self._egress.vouches_for(host, port):
            raise EgressDenied(f"{host}:{port} is not an allowed token endpoint")


def _service_account(key: str) -> Mapping[str, Any] | None:
    """What a service account's key file says; None where the key is a bare access token."""
    if not key.lstrip().startswith("{"):
        return None
    try:
        account = orjson.loads(key)
        if all(isinstance(account[name], str) for name in ("client_email", "private_key")):
            return dict(account)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    raise _Failed(_NOT_AN_ACCOUNT)


def _assertion(account: Mapping[str, Any], audience: str) -> str:
    now = int(time.time())
    claims = {"iss": account["client_email"], "scope": _SCOPE, "aud": audience, "iat": now, "exp": now + 300}
    headers = {"kid": str(account.get("private_key_id", ""))}
    try:
        return jwt.encode(claims, account["private_key"], algorithm="RS256", headers=headers)
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise _Failed(_NOT_AN_ACCOUNT) from error


def _location(base: str, account: Mapping[str, Any] | None) -> str:
    """The URL of the project's location: the base URL's, else the service account's project where the host is."""
    if _PROJECT.search(base):
        return base
    project = str((account or {}).get("project_id") or "")
    if not project:
        raise _Failed(
            Trouble(
                "project_unknown",
                "the provider's baseUrl must name the project: …/projects/{project}/locations/{location}",
            )
        )
    regional = _REGIONAL_HOST.fullmatch(urlsplit(base).hostname or "")
    return f"{base}/projects/{quote(project, safe='')}/locations/{regional.group(1) if regional else 'global'}"


def _refusal(kind: str, status: int) -> Trouble:
    # Google answers a key that it does not know with 400.
    if status in {401, 403} or (status == 400 and kind == "google"):
        return _WRONG_KEY
    if status == 404:
        return Trouble("not_found", "there is no list of models at the address")
    if status == 429:
        return Trouble("rate_limited", "the provider takes no more calls for now")
    if status >= 500:
        return Trouble("provider_error", f"the provider answered {status}")
    return Trouble("rejected", f"the provider answered {status}")
