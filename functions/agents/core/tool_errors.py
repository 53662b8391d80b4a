"""What can go wrong with tools: what a caller of the API is told, and what a model is told."""

from functions.agents.core.errors import ToolDisabled
from functions.kit.errors import Conflict, InvalidRequest, NotFound, Unprocessable


class ToolHeld(ToolDisabled):
    """The tool's MCP server has changed what it says of it; it is held back until an admin accepts that."""

    code = "tool_held"


class ToolUnusable(Conflict):
    """The tool cannot be turned on: this platform has not what it needs."""

    code = "tool_unusable"


class HostsRefused(Unprocessable):
    """Hosts are given for a tool that goes to none."""

    code = "hosts_refused"


class McpServerUnknown(NotFound):
    """The tenant's agents have no such MCP server."""

    code = "agent_mcp_server_not_found"


class McpToolUnknown(NotFound):
    """The MCP server has no such tool."""

    code = "mcp_tool_not_found"


class McpToolChanged(Conflict):
    """The MCP server says something else of the tool than what was looked at."""

    code = "mcp_tool_changed"


class McpSecretMissing(Unprocessable):
    """The MCP server needs a secret: none is stored, or the stored one was given for another destination."""

    code = "mcp_secret_missing"


class TooManyMcpServers(Conflict):
    """The tenant has as many MCP servers as it may have."""

    code = "too_many_mcp_servers"


class StdioRefused(InvalidRequest):
    """The operator vouches for no such program on this machine."""

    code = "mcp_stdio_refused"


class ToolFailed(Exception):
    """A tool did not do what it was asked: a result for the model, never an answer of the API.

    Attributes:
        code: stable name of what went wrong; docs/tools.md has all.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
