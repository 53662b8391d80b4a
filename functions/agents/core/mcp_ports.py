"""What MCP servers need from the outside."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from functions.agents.core.mcp_models import Discovery, McpServer, McpTool
from functions.agents.core.tool_models import Space, ToolAnswer


class McpServers(Protocol):
    """The tenants' servers and their tools. What changes them does so within the unit of work."""

    async def find(self, space: Space, name: str) -> McpServer | None:
        """The server of that name."""
        ...

    async def all(self, space: Space) -> Sequence[McpServer]:
        """All of a tenant, by name."""
        ...

    async def put(self, space: Space, server: McpServer) -> McpServer:
        """Store a server and hold it; the one of the same name gives way, and keeps its id and `created_at`."""
        ...

    async def remove(self, space: Space, name: str) -> bool:
        """Remove it with its tools; False when there was none."""
        ...

    async def hold(self, space: Space, name: str) -> McpServer | None:
        """The server, held until the unit of work ends."""
        ...

    async def note(self, space: Space, server: McpServer, problem: str) -> None:
        """Note that a held server was asked for its tools just now; an empty problem means that it told them."""
        ...

    async def tools(self, space: Space, server: str | None = None, name: str | None = None) -> Sequence[McpTool]:
        """The tools of a server, or of all, by name; or the one of a name. Read outside the unit of work."""
        ...

    async def held_tools(self, space: Space, server: McpServer) -> Sequence[McpTool]:
        """The tools of a held server."""
        ...

    async def put_tools(self, space: Space, server: McpServer, tools: Sequence[McpTool]) -> None:
        """Store tools of a held server; those of the same names give way."""
        ...

    async def forget_tools(self, space: Space, server: McpServer) -> None:
        """Remove all tools of a held server: it has become another."""
        ...

    async def claim(self, space: Space, name: str, seconds: float) -> bool:
        """Take it on to ask a server for its tools, unless somebody did within that time. Commits at once."""
        ...


class Vault(Protocol):
    """Keeps servers' secrets."""

    async def seal(self, tenant_id: str, name: str, secret: str) -> bytes:
        """Encrypt one."""
        ...


class Reach(Protocol):
    """Which servers may be reached."""

    def check(self, draft_transport: str, target: str, issuer: str | None) -> None:
        """Let public HTTPS through, or what the operator vouches for.

        Raises:
            EgressDenied: an address is neither.
            StdioRefused: no such program is vouched for.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call came to.

    Attributes:
        tools_changed: the server said meanwhile that its tools are others now.
    """

    answer: ToolAnswer
    tools_changed: bool = False


class McpSessions(Protocol):
    """Talks with servers, each time anew."""

    async def discover(self, server: McpServer) -> Discovery:
        """Which tools a server has.

        Raises:
            ToolFailed: it does not tell.
        """
        ...

    async def call(self, server: McpServer, tool: str, arguments: Mapping[str, Any], call_id: str) -> CallOutcome:
        """Have a server call a tool.

        Raises:
            ToolFailed: it cannot be reached, is too slow, answers too much, or refuses.
        """
        ...


class Notices(Protocol):
    """Tells of tools that are held back."""

    def held_back(self, space: Space, server: str, new: Sequence[str], changed: Sequence[str]) -> None:
        """Say it if and only if the unit of work commits."""
        ...


class Begin(Protocol):
    """Opens a unit of work."""

    def __call__(self) -> AbstractAsyncContextManager[Any]:
        """One of its own."""
        ...
