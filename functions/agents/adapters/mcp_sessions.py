"""Talks with MCP servers by the official SDK: a session for each question, within limits, whatever a server does."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import httpx2
import yarl
from mcp import Client, MCPError
from mcp.client.session import IncomingMessage
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    HEADER_MISMATCH,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    ToolListChangedNotification,
)

from functions.agents.adapters.mcp_content import answer_of, described
from functions.agents.adapters.mcp_http import GuardedTransport
from functions.agents.adapters.mcp_postgres import EnvelopeVault
from functions.agents.adapters.mcp_tokens import ServerTokens
from functions.agents.core.mcp_models import Description, Discovery, McpServer
from functions.agents.core.mcp_ports import CallOutcome
from functions.agents.core.tool_errors import StdioRefused, ToolFailed
from functions.kit.egress import EgressPolicy
from functions.kit.errors import DcoderError

MOST_TOOLS = 200
_DISCOVERY_SECONDS = 10.0
_MOST_PAGES = 20
_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_REASON = 500
# In `_meta`: a server that looks at it has the effect of a call once, however often it is tried.
CALL_ID = "dcoder.dev/call-id"
# What a hostile server sends would fill the log; its reason is told where it belongs.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class HttpReach:
    """Port `Reach`.

    Args:
        programs: command lines by the name that tenants know them by.
    """

    def __init__(self, policy: EgressPolicy, programs: Mapping[str, list[str]]) -> None:
        self._policy = policy
        self._programs = programs

    def check(self, draft_transport: str, target: str, issuer: str | None) -> None:
        """Let public HTTPS through, or what the operator vouches for."""
        if draft_transport == "stdio":
            if target not in self._programs:
                raise StdioRefused("the operator vouches for no such program", details={"field": "command"})
            return
        for url in filter(None, (target, issuer)):
            self._policy.check_https(url)


class SdkSessions:
    """Port `McpSessions`.

    Args:
        session: one whose connector resolves names by the policy's resolver, and which leaves bodies as they come.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        policy: EgressPolicy,
        vault: EnvelopeVault,
        programs: Mapping[str, list[str]],
        version: str,
    ) -> None:
        self._session = session
        self._policy = policy
        self._vault = vault
        self._programs = programs
        self._info = Implementation(name="dcoder", version=version)
        self._tokens = ServerTokens()

    async def discover(self, server: McpServer) -> Discovery:
        """Which tools a server has."""
        # A program has to start first, which may take it as long as a call.
        seconds = _DISCOVERY_SECONDS if server.transport == "http" else server.timeout_seconds
        async with self._talking(server, seconds) as (client, _):
            tools: dict[str, Description] = {}
            refused: list[str] = []
            cursor: str | None = None
            for _page in range(_MOST_PAGES):
                page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
                for tool in page.tools:
                    found = described(tool) if len(tools) < MOST_TOOLS else "there are too many tools"
                    if isinstance(found, str):
                        refused.append(f"{tool.name[:100]}: {found}")
                    else:
                        tools[tool.name] = found
                cursor = page.next_cursor
                if cursor is None:
                    break
            info = client.server_info
            name = f"{info.name} {info.version}"[:200] if info else ""
            return Discovery(client.protocol_version, name, tools, tuple(refused[:MOST_TOOLS]))

    async def call(self, server: McpServer, tool: str, arguments: Mapping[str, Any], call_id: str) -> CallOutcome:
        """Have a server call a tool."""
        params = CallToolRequestParams(name=tool, arguments=dict(arguments), _meta={CALL_ID: call_id})
        request = CallToolRequest(params=params)
        async with self._talking(server, server.timeout_seconds) as (client, changes):
            # Not the client's own method: it would list all tools each time, to judge answers by the server's schemas.
            try:
                result = await client.session.send_request(request, CallToolResult)
            except MCPError as mismatch:
                if mismatch.code != HEADER_MISMATCH:
                    raise
                # It was not done: the server wants arguments in headers, which its list tells of.
                await client.session.list_tools()
                result = await client.session.send_request(request, CallToolResult)
            return CallOutcome(answer_of(result), bool(changes))

    @asynccontextmanager
    async def _talking(self, server: McpServer, seconds: float) -> AsyncIterator[tuple[Client, list[str]]]:
        """A session with a server, and the changes that it tells of meanwhile.

        Raises:
            ToolFailed: whatever goes wrong with the server, in words for the model.
            DependencyUnavailable: the server's secret cannot be opened now; nothing was sent.
        """
        changes: list[str] = []

        async def note(message: IncomingMessage) -> None:
            if isinstance(message, ToolListChangedNotification):
                changes.append("tools")

        guard = GuardedTransport(self._session, self._policy, origin=_origin(server), most_bytes=_MOST_BYTES)
        try:
            with anyio.fail_after(seconds):
                async with (
                    self._connection(server, guard) as connection,
                    Client(connection, message_handler=note, client_info=self._info, cache=None) as client,
                ):
                    yield client, changes
        except TimeoutError as error:
            raise ToolFailed("tool_timeout", f"the MCP server did not answer within {seconds:g} s") from error
        except (ToolFailed, DcoderError):
            # What the platform itself lacks, such as the key of the server's secret, is not the server's failure.
            raise
        except Exception as error:
            # What a server can provoke in the SDK, or in a task group of it, is that server's failure.
            raise _failure(guard, error) from error

    @asynccontextmanager
    async def _connection(self, server: McpServer, guard: GuardedTransport) -> AsyncIterator[Any]:
        if server.transport == "stdio":
            command, *arguments = self._programs.get(server.target) or [""]
            if not command:
                raise ToolFailed("egress_denied", "the operator does not vouch for this program any more")
            yield StdioServerParameters(command=command, args=arguments)
            return
        headers, auth = await self._credential(server)
        async with httpx2.AsyncClient(transport=guard, headers=headers, auth=auth, timeout=None) as http:
            yield streamable_http_client(server.target, http_client=http, max_sse_event_size=_MOST_BYTES)

    async def _credential(self, server: McpServer) -> tuple[Mapping[str, str], httpx2.Auth | None]:
        if server.auth.kind == "none":
            return {}, None
        secret = await self._vault.open(server)
        match server.auth.kind:
            case "header":
                return {str(server.auth.header): secret}, None
            case "bearer":
                return {"authorization": f"Bearer {secret}"}, None
            case "oauth2":
                return {}, self._tokens.auth(server, secret)


def _origin(server: McpServer) -> yarl.URL:
    return yarl.URL(server.target).origin() if server.transport == "http" else yarl.URL("stdio://program")


def _failure(guard: GuardedTransport, error: Exception) -> ToolFailed:
    """What went wrong, by what the transport saw first or else by what the SDK says."""
    if guard.trouble is not None:
        code, reason = guard.trouble
        return ToolFailed(code, f"the MCP server: {reason}")
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return ToolFailed("tool_failed", f"the MCP server refuses: {str(error)[:_LONGEST_REASON]}")
    if isinstance(error, OSError):
        return ToolFailed("tool_unreachable", f"the MCP server cannot be reached: {type(error).__name__}")
    return ToolFailed("tool_failed", f"the MCP server cannot be understood: {type(error).__name__}")
