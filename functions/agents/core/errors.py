"""What can go wrong, as the caller is told."""

from functions.kit.errors import Forbidden, NotFound


class ToolNotFound(NotFound):
    """There is no such tool for the tenant."""

    code = "tool_not_found"


class ToolDisabled(Forbidden):
    """The tool exists and the tenant has not enabled it."""

    code = "tool_disabled"
