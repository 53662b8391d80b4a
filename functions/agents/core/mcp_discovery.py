"""Compares what a server offers with what was accepted: a tool that changes is held back until an admin looks at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.agents.core.mcp_models import Description, McpServer, McpTool
from functions.agents.core.mcp_ports import Begin, McpServers, McpSessions, Notices
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_models import Space


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has become of a server's tools.

    Attributes:
        tools: those of which anything is other than before.
        new: names of those that were never seen, and are held back.
        changed: names of those that are other than accepted, and are held back since now.
    """

    tools: Sequence[McpTool]
    new: Sequence[str] = ()
    changed: Sequence[str] = ()


def compare(
    server: str, known: Sequence[McpTool], offered: Mapping[str, Description], now: datetime, *, trusted: bool
) -> Comparison:
    """What is to be stored.

    Args:
        trusted: an admin has asked for this server just now and is shown what it offers: that is in force at once.
    """
    before = {tool.name: tool for tool in known}
    tools: list[McpTool] = []
    for name, description in offered.items():
        tool = before.get(name)
        if tool is None:
            accepted = description if trusted else None
            tools.append(McpTool(server, name, accepted, description, present=True, changed_at=now))
        elif tool.offered.digest != description.digest or not tool.present:
            tools.append(replace(tool, offered=description, present=True, changed_at=now))
    tools += [
        replace(tool, present=False, changed_at=now) for tool in known if tool.present and tool.name not in offered
    ]
    return Comparison(
        tools,
        new=[tool.name for tool in tools if tool.condition == "new"],
        changed=[tool.name for tool in tools if tool.condition == "changed"],
    )


class RefreshMcpServer:
    """Asks servers for their tools."""

    def __init__(self, servers: McpServers, sessions: McpSessions, notices: Notices, begin: Begin) -> None:
        self._servers = servers
        self._sessions = sessions
        self._notices = notices
        self._begin = begin

    async def __call__(self, space: Space, server: McpServer, now: datetime) -> str:
        """Ask a server, and keep what it says; returns why it says nothing, or an empty text."""
        problem, offered = "", None
        try:
            offered = (await self._sessions.discover(server)).tools
        except ToolFailed as error:
            problem = error.message
        async with self._begin():
            held = await self._servers.hold(space, server.name)
            # Another one meanwhile: what this one said is of no use for it.
            if held is None or held.updated_at != server.updated_at:
                return problem
            if offered is not None:
                await self.take(space, held, offered, now, trusted=held.discovered_at is None)
            await self._servers.note(space, held, problem)
        return problem

    async def take(
        self, space: Space, held: McpServer, offered: Mapping[str, Description], now: datetime, *, trusted: bool
    ) -> None:
        """Keep what a held server offers, within the unit of work, and tell what is held back."""
        found = compare(held.name, await self._servers.held_tools(space, held), offered, now, trusted=trusted)
        await self._servers.put_tools(space, held, found.tools)
        if found.new or found.changed:
            self._notices.held_back(space, held.name, found.new, found.changed)
