"""An MCP server over stdio, as a program: `python -m tests.unit.agents.mcp_program`."""

import os
import sys
import time

from mcp.server.mcpserver import MCPServer

server = MCPServer("program")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def environment() -> str:
    """Names of the variables that the program sees."""
    return " ".join(sorted(os.environ))


@server.tool()
def die() -> str:
    """Ends the program."""
    os._exit(1)


@server.tool()
def hang() -> str:
    """Never answers."""
    time.sleep(600)
    return ""


@server.tool()
def chatter() -> str:
    """Writes what is no message."""
    sys.stdout.write("this is no message\n" * 100)
    sys.stdout.flush()
    return "chattered"


if __name__ == "__main__":
    server.run("stdio")
