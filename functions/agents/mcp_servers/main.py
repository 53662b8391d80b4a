"""MCP servers that a tenant's agents may use: registered, tried, asked for their tools, and these accepted."""

from typing import Annotated

from fastapi import Path, Request, Response

from functions.agents.callers import space_of
from functions.agents.mcp_servers.schemas import (
    AcceptToolBody,
    AgentMcpServer,
    AgentMcpServerDetails,
    AgentMcpServerList,
    AgentMcpTool,
    PutAgentMcpServerBody,
    TestedMcpServer,
)
from functions.agents.wiring_tools import AgentTools, agent_tools
from functions.kit.app import create_app
from functions.kit.authorisation import principal, require
from functions.kit.routing import api_router

router = api_router()

_ALL, _ONE = "/v1/agents/mcp-servers", "/v1/agents/mcp-servers/{name}"
_READ, _WRITE = [require("tools:read")], [require("tools:write")]
Name = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
ToolName = Annotated[str, Path(alias="tool", pattern=r"^[A-Za-z0-9_.-]{1,128}$")]


@router.get(_ALL, dependencies=_READ, summary="List the MCP servers of agents")
async def list_agent_mcp_servers(request: Request) -> AgentMcpServerList:
    """All of the tenant, by name."""
    use: AgentTools = request.app.state.wiring
    servers = await use.servers.all(await space_of(request, use.spaces))
    return AgentMcpServerList(items=[AgentMcpServer.of(server) for server in servers])


@router.get(_ONE, dependencies=_READ, summary="Get an MCP server of agents")
async def get_agent_mcp_server(request: Request, name: Name) -> AgentMcpServerDetails:
    """One server with its tools, as it says them and as they were accepted."""
    use: AgentTools = request.app.state.wiring
    return AgentMcpServerDetails.told(await use.servers.get(await space_of(request, use.spaces), name))


@router.put(_ONE, dependencies=_WRITE, summary="Register an MCP server for agents")
async def put_agent_mcp_server(request: Request, name: Name, body: PutAgentMcpServerBody) -> AgentMcpServerDetails:
    """Register a server, or replace the one of this name, and ask it for its tools: those of a new one are in force.

    It is stored whether or not it answers; `problem` says why it does not.
    """
    use: AgentTools = request.app.state.wiring
    state = await use.servers.put(await space_of(request, use.spaces), body.draft(name))
    return AgentMcpServerDetails.told(state)


@router.delete(_ONE, status_code=204, dependencies=_WRITE, summary="Remove an MCP server of agents")
async def remove_agent_mcp_server(request: Request, name: Name) -> Response:
    """Remove a server with its tools; calls of them fail from now on."""
    use: AgentTools = request.app.state.wiring
    await use.servers.remove(await space_of(request, use.spaces), name)
    return Response(status_code=204)


@router.post(f"{_ONE}/test", dependencies=_WRITE, summary="Try an MCP server of agents")
async def test_agent_mcp_server(request: Request, name: Name) -> TestedMcpServer:
    """Connect to a server and say what it says; nothing of it is stored."""
    use: AgentTools = request.app.state.wiring
    return TestedMcpServer.of(*await use.servers.test(await space_of(request, use.spaces), name))


@router.post(f"{_ONE}/refresh", dependencies=_WRITE, summary="Ask an MCP server for its tools")
async def refresh_agent_mcp_server(request: Request, name: Name) -> AgentMcpServerDetails:
    """Ask a server for its tools now; what it says otherwise than was accepted is held back."""
    use: AgentTools = request.app.state.wiring
    return AgentMcpServerDetails.told(await use.servers.refresh(await space_of(request, use.spaces), name))


@router.post(f"{_ONE}/tools/{{tool}}/accept", dependencies=_WRITE, summary="Accept what an MCP server says of a tool")
async def accept_agent_mcp_tool(request: Request, name: Name, tool: ToolName, body: AcceptToolBody) -> AgentMcpTool:
    """Put in force what was looked at; 409 where the server says something else by now."""
    use: AgentTools = request.app.state.wiring
    space = await space_of(request, use.spaces)
    return AgentMcpTool.of(await use.servers.accept(space, name, tool, body.digest, principal().subject))


app = create_app(router, wire=agent_tools)
