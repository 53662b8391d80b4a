"""Tokens for MCP servers by client credentials, each good for its server alone.

Where to ask, the SDK finds out by the server's protected-resource metadata (RFC 9728) and its authorization server's
metadata (RFC 8414); it names the server as `resource` (RFC 8707). The secret goes to the configured issuer alone.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import httpx2
import jwt
from mcp.client.auth import OAuthFlowError, TokenStorage
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from functions.agents.core.mcp_models import McpServer

_MOST = 1_000
# Seconds before its end that a token is no longer used; and how long one is that does not say.
_MARGIN = 30.0
_SHORTEST_LIFE = 60.0


@dataclass(slots=True)
class _Kept(TokenStorage):
    """The token of one server, until shortly before its end."""

    audience: str
    token: OAuthToken | None = field(default=None, repr=False)
    until: float = 0.0

    async def get_tokens(self) -> OAuthToken | None:
        return self.token if time.monotonic() < self.until else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        _check_audience(tokens.access_token, self.audience)
        self.token = tokens
        self.until = time.monotonic() + (tokens.expires_in or _SHORTEST_LIFE) - _MARGIN

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        del client_info


class ServerTokens:
    """Makes what puts tokens on requests; tokens are shared by the sessions of a process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, float], _Kept] = OrderedDict()

    def auth(self, server: McpServer, secret: str) -> httpx2.Auth:
        """For one session with a server."""
        key = (server.tenant_id, server.id, server.updated_at.timestamp())
        kept = self._kept.setdefault(key, _Kept(server.target))
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return ClientCredentialsOAuthProvider(
            server.target,
            kept,
            str(server.auth.client_id),
            secret,
            scope=server.auth.scope,
            issuer=str(server.auth.issuer),
        )


def _check_audience(token: str, resource: str) -> None:
    """Refuse a token that says it is for somebody else; what is no JWT says nothing."""
    try:
        audience = jwt.decode(token, options={"verify_signature": False}).get("aud")
    except jwt.PyJWTError:
        return
    named = [audience] if isinstance(audience, str) else audience
    if isinstance(named, list) and not any(_covers(str(name), resource) for name in named):
        raise OAuthFlowError("the token is not for this server: its audience is another")


def _covers(audience: str, resource: str) -> bool:
    """Whether a resource is the audience's, or below it."""
    base = audience.rstrip("/")
    return resource == base or resource.startswith((base + "/", base + "?"))
