"""What can go wrong with tools: what a caller of the API is told, and what a model is told."""

from functions.agents.core.errors import ToolDisabled
from functions.kit.errors import Conflict, Unprocessable


class ToolHeld(ToolDisabled):
    """The tool's MCP server has changed what it says of it; it is held back until an admin accepts that."""

    code = "tool_held"


class ToolUnusable(Conflict):
    """The tool cannot be turned on: this platform has not what it needs."""

    code = "tool_unusable"


class HostsRefused(Unprocessable):
    """Hosts are given for a tool that goes to none."""

    code = "hosts_refused"


class ToolFailed(Exception):
    """A tool did not do what it was asked: a result for the model, never an answer of the API.

    Attributes:
        code: stable name of what went wrong; docs/tools.md has all.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
