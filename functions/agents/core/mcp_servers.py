"""Manages the MCP servers that a tenant's agents may use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.agents.core.mcp_discovery import RefreshMcpServer
from functions.agents.core.mcp_models import Discovery, McpServer, McpServerDraft, McpTool
from functions.agents.core.mcp_ports import Begin, McpServers, McpSessions, Reach, Vault
from functions.agents.core.tool_errors import (
    McpSecretMissing,
    McpServerUnknown,
    McpToolChanged,
    McpToolUnknown,
    ToolFailed,
    TooManyMcpServers,
)
from functions.agents.core.tool_models import Space

MOST_SERVERS = 50


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server and its tools."""

    server: McpServer
    tools: Sequence[McpTool]


class ManageMcpServers:
    """The use cases. Those that talk with a server open units of work of their own, after it has answered.

    Args:
        new_id: makes ids.
        now: tells the time.
    """

    def __init__(
        self,
        servers: McpServers,
        sessions: McpSessions,
        vault: Vault,
        reach: Reach,
        *,
        refresh: RefreshMcpServer,
        begin: Begin,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._servers = servers
        self._sessions = sessions
        self._vault = vault
        self._reach = reach
        self._refresh = refresh
        self._begin = begin
        self._new_id = new_id
        self._now = now

    async def put(self, space: Space, draft: McpServerDraft) -> ServerState:
        """Make the draft the server of its name, and ask it for its tools; it is stored whether or not it answers.

        Raises:
            EgressDenied, StdioRefused: it is not one that may be reached.
            McpSecretMissing: it needs a secret and none is given or kept for this destination.
            TooManyMcpServers: the tenant has as many as it may have.
        """
        self._reach.check(draft.transport, draft.target, draft.auth.issuer)
        before = await self._servers.find(space, draft.name)
        if before is None and len(await self._servers.all(space)) >= MOST_SERVERS:
            raise TooManyMcpServers(f"a tenant has at most {MOST_SERVERS} MCP servers")
        server = await self._drafted(space, draft, before)
        problem, found = await self._asked(server)
        async with self._begin():
            stored = await self._servers.put(space, server)
            if before is None or before.destination != server.destination:
                await self._servers.forget_tools(space, stored)
            if found is not None:
                await self._refresh.take(space, stored, found.tools, self._now(), trusted=_is_first(before, server))
            await self._servers.note(space, stored, problem)
        return await self.get(space, draft.name)

    async def get(self, space: Space, name: str) -> ServerState:
        """One server with its tools.

        Raises:
            McpServerUnknown: there is none of this name.
        """
        return ServerState(await self._find(space, name), await self._servers.tools(space, name))

    async def all(self, space: Space) -> Sequence[McpServer]:
        """All of a tenant, by name."""
        return await self._servers.all(space)

    async def remove(self, space: Space, name: str) -> None:
        """Remove one with its tools, within the unit of work.

        Raises:
            McpServerUnknown: there is none of this name.
        """
        if not await self._servers.remove(space, name):
            raise McpServerUnknown("there is no such MCP server")

    async def test(self, space: Space, name: str) -> tuple[str, Discovery | None]:
        """What a server says of itself now, or why it says nothing; nothing of it is stored.

        Raises:
            McpServerUnknown: there is none of this name.
        """
        return await self._asked(await self._find(space, name))

    async def refresh(self, space: Space, name: str) -> ServerState:
        """Ask a server for its tools now.

        Raises:
            McpServerUnknown: there is none of this name.
        """
        await self._refresh(space, await self._find(space, name), self._now())
        return await self.get(space, name)

    async def accept(self, space: Space, name: str, tool_name: str, digest: str, by: str) -> McpTool:
        """Put in force what a server says of a tool, within the unit of work.

        Args:
            digest: of the description that was looked at.

        Raises:
            McpServerUnknown, McpToolUnknown: there is none of this name.
            McpToolChanged: the server says something else by now.
        """
        server = await self._servers.hold(space, name)
        if server is None:
            raise McpServerUnknown("there is no such MCP server")
        tool = next((t for t in await self._servers.held_tools(space, server) if t.name == tool_name), None)
        if tool is None:
            raise McpToolUnknown("the server has no such tool")
        if tool.offered.digest != digest:
            raise McpToolChanged("the tool is described otherwise by now: look at it again")
        accepted = replace(tool, accepted=tool.offered, changed_at=self._now(), accepted_by=by)
        await self._servers.put_tools(space, server, [accepted])
        return accepted

    async def _find(self, space: Space, name: str) -> McpServer:
        found = await self._servers.find(space, name)
        if found is None:
            raise McpServerUnknown("there is no such MCP server")
        return found

    async def _asked(self, server: McpServer) -> tuple[str, Discovery | None]:
        try:
            return "", await self._sessions.discover(server)
        except ToolFailed as error:
            return error.message, None

    async def _drafted(self, space: Space, draft: McpServerDraft, before: McpServer | None) -> McpServer:
        now = self._now()
        server = McpServer(
            id=self._new_id(),
            tenant_id=space.tenant_id,
            name=draft.name,
            title=draft.title,
            transport=draft.transport,
            target=draft.target,
            auth=draft.auth,
            timeout_seconds=draft.timeout_seconds,
            sealed=None,
            created_at=now,
            updated_at=now,
        )
        if draft.auth.kind == "none":
            return server
        if draft.secret is not None:
            return replace(server, sealed=await self._vault.seal(space.tenant_id, draft.name, draft.secret))
        # A stored secret goes nowhere but where it was given for: whoever may edit must not be able to lead it away.
        if before is None or before.sealed is None or before.destination != server.destination:
            raise McpSecretMissing("secret is needed: none is kept for this kind and destination")
        return replace(server, sealed=before.sealed)


def _is_first(before: McpServer | None, server: McpServer) -> bool:
    """Whether an admin is about to see what this server offers for the first time."""
    return before is None or before.discovered_at is None or before.destination != server.destination
