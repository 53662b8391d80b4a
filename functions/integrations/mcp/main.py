"""POST, GET and DELETE /v1/mcp/{server}: a tenant's MCP server, over streamable HTTP."""

from typing import Annotated

from fastapi import Path, Request, Response

from functions.integrations.adapters.mcp_protocol import Exchange, McpAnswer
from functions.integrations.callers import space_of
from functions.integrations.core.models import Json, McpServer, Tool, UpstreamAnswer
from functions.integrations.wiring import Integrations, integrations
from functions.kit.app import create_app
from functions.kit.authorisation import LATER, authorise, require, tenant_named
from functions.kit.errors import Forbidden
from functions.kit.policies.attributes import Resource
from functions.kit.principal import Principal
from functions.kit.routing import api_router

router = api_router()

_PATH = "/v1/mcp/{server}"
Name = Annotated[str, Path(alias="server", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Caller = Annotated[Principal, require("mcp:call", LATER)]


async def serve(request: Request, name: Name, principal: Caller) -> Response:
    """Answer an MCP request. Tools that no policy allows the caller are neither shown nor called."""
    use: Integrations = request.app.state.wiring
    server = await use.servers.get(await space_of(use.tenants, tenant_named(request)), name)
    tools = {tool.name: tool for tool in use.toolsets.of(server).values() if _may(principal, server, tool)}

    async def call(tool: Tool, arguments: Json) -> UpstreamAnswer:
        authorise(principal, "mcp:call", server.tenant_id, _resource(server, tool))
        return await use.call_tool(server, tool, arguments)

    return McpAnswer(use.manager, Exchange(tools, call))


def _may(principal: Principal, server: McpServer, tool: Tool) -> bool:
    try:
        authorise(principal, "mcp:call", server.tenant_id, _resource(server, tool))
    except Forbidden:
        return False
    return True


def _resource(server: McpServer, tool: Tool) -> Resource:
    return Resource(kind="tool", name=f"{server.name}/{tool.name}")


for method in ("POST", "GET", "DELETE"):
    router.add_api_route(
        _PATH,
        serve,
        methods=[method],
        response_class=Response,
        operation_id=f"{method.lower()}_mcp",
        summary={"POST": "Call an MCP server"}.get(method, "Refused by stateless MCP servers"),
    )
app = create_app(router, wire=integrations)
