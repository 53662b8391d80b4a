"""The tools of a tenant's MCP servers, as a source of the toolbox."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from functions.agents.core.mcp_discovery import RefreshMcpServer
from functions.agents.core.mcp_models import McpServer, McpTool, ToolCondition
from functions.agents.core.mcp_ports import McpServers, McpSessions
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec
from functions.kit.errors import DcoderError

# How old a list of tools may be before the server is asked again.
FRESH_SECONDS = 300.0
# What a call may take beyond its server's own limit: to connect, to tell what went wrong, to list tools that changed.
_MARGIN_SECONDS = 12.0
_WHY: Mapping[ToolCondition, str] = {
    "accepted": "",
    "new": "its MCP server offers it newly: it is held back until an admin accepts it",
    "changed": "its MCP server describes it otherwise than was accepted: it is held back until an admin accepts that",
    "gone": "its MCP server does not offer it any more",
}


class McpTools:
    """Port `ToolSource`.

    Args:
        now: tells the time.
    """

    def __init__(
        self, servers: McpServers, sessions: McpSessions, refresh: RefreshMcpServer, now: Callable[[], datetime]
    ) -> None:
        self._servers = servers
        self._sessions = sessions
        self._refresh = refresh
        self._now = now

    async def all(self, space: Space) -> Sequence[Tool]:
        """All of the tenant's servers; those whose list is old are asked first, all at once."""
        servers = {server.name: server for server in await self._servers.all(space)}
        await asyncio.gather(*(self._freshen(space, server) for server in servers.values()))
        tools = await self._servers.tools(space)
        return [_tool(servers[tool.server], tool) for tool in tools if tool.server in servers]

    async def find(self, space: Space, name: str) -> Tool | None:
        """The tool of that name."""
        server_name, tool_name = parts_of(name)
        server = await self._servers.find(space, server_name)
        if server is None:
            return None
        await self._freshen(space, server)
        found = await self._servers.tools(space, server_name, tool_name)
        return _tool(server, found[0]) if found else None

    async def call(self, space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        """Have the server call it."""
        del setting
        server_name, tool_name = parts_of(call.name)
        server = await self._servers.find(space, server_name)
        if server is None:
            raise ToolFailed("tool_not_found", "its MCP server was removed just now")
        outcome = await self._sessions.call(server, tool_name, call.arguments, call.call_id)
        if outcome.tools_changed:
            # The call was made: what goes wrong from here on must not have it made again.
            with suppress(DcoderError):
                if await self._servers.claim(space, server.name, 0):
                    await self._refresh(space, server, self._now())
        return outcome.answer

    async def _freshen(self, space: Space, server: McpServer) -> None:
        """Ask a server again whose list is old; what is known of it goes on while it does not answer."""
        old = self._now() - timedelta(seconds=FRESH_SECONDS)
        is_old = server.discovered_at is None or server.discovered_at < old
        if is_old and await self._servers.claim(space, server.name, FRESH_SECONDS):
            await self._refresh(space, server, self._now())


def parts_of(name: str) -> tuple[str, str]:
    """Server and tool of `mcp.SERVER.TOOL`; a server's name has no dot, a tool's may."""
    _, _, rest = name.partition(".")
    server, _, tool = rest.partition(".")
    return server, tool


def _tool(server: McpServer, tool: McpTool) -> Tool:
    told = tool.accepted or tool.offered
    why = _WHY[tool.condition]
    return Tool(
        ToolSpec(
            name=tool.full_name,
            description=told.description,
            input_schema=told.input_schema,
            idempotent=told.idempotent,
            timeout_seconds=server.timeout_seconds + _MARGIN_SECONDS,
        ),
        title=told.title or tool.name,
        source=server.name,
        on_by_default=True,
        unusable=why,
        held=tool.condition in {"new", "changed"},
    )
