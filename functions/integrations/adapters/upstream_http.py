"""Calls the APIs behind MCP servers: each with its own credential, nothing forwarded, nothing followed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import yarl

from functions.integrations.core.errors import ToolFailed
from functions.integrations.core.models import McpServer, UpstreamAnswer, UpstreamRequest
from functions.integrations.core.ports import Egress, Vault
from functions.kit.bounded import read_at_most
from functions.kit.egress import EgressPolicy
from functions.kit.storable import encoded

_SECONDS = 30.0
_LARGEST_ANSWER = 1024 * 1024
_LARGEST_TOKEN_ANSWER = 64 * 1024
_MOST_TOKENS = 1_000
# Seconds before its end that a token is no longer used.
_MARGIN = 30.0
_SHORTEST_LIFE = 60.0


@dataclass(frozen=True, slots=True)
class _Token:
    secret: str = field(repr=False)
    expires: float


class HttpEgress:
    """Port `Egress`: what tenants may connect to."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    def check(self, url: str) -> None:
        """Let it through, or refuse."""
        self._policy.check_https(url)


class HttpUpstream:
    """Port `Upstream`.

    Args:
        session: made with the egress policy's resolver, so that the address that was checked is the one connected to.
    """

    def __init__(self, session: aiohttp.ClientSession, egress: Egress, vault: Vault) -> None:
        self._session = session
        self._egress = egress
        self._vault = vault
        self._tokens: OrderedDict[tuple[str, str, float], _Token] = OrderedDict()

    async def call(self, server: McpServer, request: UpstreamRequest) -> UpstreamAnswer:
        """Send a request with the server's own credential, and no other."""
        self._egress.check(server.base_url)
        credential = await self._credential(server)
        # Two of one name, and the API might take the caller's for the credential.
        own = {name.lower() for name in credential}
        given = {name: value for name, value in request.headers.items() if name.lower() not in own}
        headers = {"accept": "application/json, text/*;q=0.9", **given, **credential}
        body = None
        if request.body is not None:
            headers["content-type"], body = "application/json", _json(request.body)
        # The path is encoded already: another round would make other characters of it.
        address = yarl.URL(request.url, encoded=True).extend_query(list(request.query))
        answer = await self._exchange(request.method, address, headers, body, limit=_LARGEST_ANSWER)
        if answer.status == 401:
            # Taken back before its end: the next call asks for another.
            self._tokens.pop(_token_key(server), None)
        return answer

    async def _credential(self, server: McpServer) -> Mapping[str, str]:
        match server.auth.kind:
            case "none":
                return {}
            case "header":
                return {str(server.auth.header): await self._vault.open(server)}
            case "bearer":
                return {"authorization": f"Bearer {await self._vault.open(server)}"}
            case "oauth2":
                return {"authorization": f"Bearer {await self._token(server)}"}

    async def _token(self, server: McpServer) -> str:
        """A token by client credentials, good for this API alone (RFC 8707), kept until shortly before its end."""
        key = _token_key(server)
        known = self._tokens.get(key)
        if known is not None and known.expires > time.monotonic():
            return known.secret
        url = str(server.auth.token_url)
        self._egress.check(url)
        form = {
            "grant_type": "client_credentials",
            "client_id": str(server.auth.client_id),
            "client_secret": await self._vault.open(server),
            "resource": server.auth.resource or server.base_url,
            **({"scope": server.auth.scope} if server.auth.scope else {}),
        }
        asking = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        address = yarl.URL(url, encoded=True)
        answer = await self._exchange("POST", address, asking, urlencode(form).encode(), limit=_LARGEST_TOKEN_ANSWER)
        token = _token_in(answer)
        self._tokens[key] = token
        while len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)
        return token.secret

    async def _exchange(
        self,
        method: str,
        address: yarl.URL,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        limit: int,
    ) -> UpstreamAnswer:
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._session.request(
                    method,
                    address,
                    data=body,
                    headers=headers,
                    # A redirect could carry the credential, or the arguments, to a host that nobody allowed.
                    allow_redirects=False,
                ) as response,
            ):
                if 300 <= response.status < 400:
                    raise ToolFailed(f"the API answered {response.status}: redirects are not followed")
                answered, is_whole = await read_at_most(response, limit)
                if not is_whole:
                    raise ToolFailed(f"the API answered more than {limit} bytes")
                return UpstreamAnswer(response.status, response.content_type, answered)
        except TimeoutError as error:
            raise ToolFailed(f"the API did not answer within {_SECONDS:.0f} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The last: a credential, say, that no header can hold.
            raise ToolFailed(f"the API cannot be reached: {type(error).__name__}") from error


def _json(body: Any) -> bytes:
    try:
        return encoded(body, "body")
    except ValueError as error:
        raise ToolFailed(str(error)) from error


def _token_key(server: McpServer) -> tuple[str, str, float]:
    return (server.tenant_id, server.id, server.updated_at.timestamp())


def _token_in(answer: UpstreamAnswer) -> _Token:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    secret = document.get("access_token") if isinstance(document, dict) and answer.status == 200 else None
    if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable():
        raise ToolFailed(f"the API's token cannot be had: its issuer answered {answer.status}")
    life = document.get("expires_in") if isinstance(document, dict) else None
    seconds = float(life) if isinstance(life, int | float) and not isinstance(life, bool) else _SHORTEST_LIFE
    return _Token(secret, time.monotonic() + max(0.0, seconds - _MARGIN))
