"""PUT, GET and DELETE /v1/tenants/{tenantId}/mcp-servers: APIs that a tenant offers to models as tools."""

from typing import Annotated

from fastapi import Path, Request, Response

from functions.integrations.callers import space_of
from functions.integrations.mcp_servers.schemas import McpServer, McpServerDetails, McpServerList, PutMcpServerBody
from functions.integrations.wiring import Integrations, integrations
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router

router = api_router()

_ALL, _ONE = "/v1/tenants/{tenantId}/mcp-servers", "/v1/tenants/{tenantId}/mcp-servers/{name}"
_READ, _WRITE = [require("mcp-servers:read")], [require("mcp-servers:write")]
TenantId = Annotated[str, Path(alias="tenantId")]
Name = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


@router.put(_ONE, dependencies=_WRITE, summary="Register an MCP server")
async def put_mcp_server(request: Request, tenant_id: TenantId, name: Name, body: PutMcpServerBody) -> McpServerDetails:
    """Make an OpenAPI document's operations an MCP server, or replace the one of this name."""
    use: Integrations = request.app.state.wiring
    server = await use.servers.put(await space_of(use.tenants, tenant_id), body.draft(name))
    return McpServerDetails.told(server, list(use.toolsets.of(server).values()))


@router.get(_ALL, dependencies=_READ, summary="List the MCP servers")
async def list_mcp_servers(request: Request, tenant_id: TenantId) -> McpServerList:
    """All of the tenant, by name."""
    use: Integrations = request.app.state.wiring
    servers = await use.servers.all(await space_of(use.tenants, tenant_id))
    return McpServerList(items=[McpServer.of(server) for server in servers])


@router.get(_ONE, dependencies=_READ, summary="Get an MCP server")
async def get_mcp_server(request: Request, tenant_id: TenantId, name: Name) -> McpServerDetails:
    """One server with its tools."""
    use: Integrations = request.app.state.wiring
    server = await use.servers.get(await space_of(use.tenants, tenant_id), name)
    return McpServerDetails.told(server, list(use.toolsets.of(server).values()))


@router.delete(_ONE, status_code=204, dependencies=_WRITE, summary="Remove an MCP server")
async def remove_mcp_server(request: Request, tenant_id: TenantId, name: Name) -> Response:
    """Remove a server; what calls it meets 404 from the next request on."""
    use: Integrations = request.app.state.wiring
    await use.servers.remove(await space_of(use.tenants, tenant_id), name)
    return Response(status_code=204)


app = create_app(router, wire=integrations)
