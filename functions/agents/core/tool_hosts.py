"""Hosts that a tenant lets a tool go to."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from functions.agents.core.tool_errors import ToolFailed

# A name, with or without everything below it, or an IPv4 address; what it means, the egress policy judges besides.
HOST_PATTERN = r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$"


def check_host(url: str, allowed: Sequence[str]) -> None:
    """Let an address through whose host is allowed.

    Raises:
        ToolFailed: it is not, or the address cannot be read.
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError as error:
        raise ToolFailed("invalid_arguments", "the address is not a URL") from error
    if not any(_is_below(host, pattern) for pattern in allowed):
        names = ", ".join(allowed) or "none"
        raise ToolFailed("egress_denied", f"the tenant does not let this tool go to {host!r}; allowed are: {names}")


def _is_below(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and re.fullmatch(r"[a-z0-9.-]+", host) is not None
    return host == pattern
