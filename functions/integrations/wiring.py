"""The context's composition root: settings in, use cases out."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import aiohttp
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from functions.integrations.adapters.mcp_protocol import mcp_manager
from functions.integrations.adapters.outbox import OutboxEvents
from functions.integrations.adapters.postgres_mcp_servers import PostgresMcpServers
from functions.integrations.adapters.upstream_http import HttpEgress, HttpUpstream
from functions.integrations.adapters.vault import EnvelopeVault
from functions.integrations.core.call_tool import CallTool
from functions.integrations.core.mcp_servers import ManageMcpServers, tools_of
from functions.integrations.core.models import McpServer, Tool
from functions.integrations.core.openapi_tools import OpenApiDocument
from functions.kit.clock import utc_now
from functions.kit.egress import EgressPolicy
from functions.kit.identifiers import new_id
from functions.kit.json_schemas import problems
from functions.kit.runtime import Runtime
from functions.kit.tenancy import TenantDirectory

_MOST_TOOLSETS = 256


@dataclass(slots=True)
class Toolsets:
    """The tools of servers, made once for each version of one."""

    _made: OrderedDict[tuple[str, str, float], dict[str, Tool]] = field(default_factory=OrderedDict)

    def of(self, server: McpServer) -> dict[str, Tool]:
        """The server's tools by name."""
        key = (server.tenant_id, server.id, server.updated_at.timestamp())
        tools = self._made.get(key)
        if tools is None:
            # Until its document has been read a server has none.
            document = server.document and OpenApiDocument(server.document)
            tools = self._made[key] = tools_of(document, server.operations) if document else {}
            while len(self._made) > _MOST_TOOLSETS:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return tools


@dataclass(frozen=True, slots=True)
class Integrations:
    """The context's use cases."""

    servers: ManageMcpServers
    call_tool: CallTool
    toolsets: Toolsets
    tenants: TenantDirectory
    manager: StreamableHTTPSessionManager


@asynccontextmanager
async def integrations(runtime: Runtime) -> AsyncIterator[Integrations]:
    """Wire the context; its connections end with the block."""
    policy = EgressPolicy.of(runtime.settings.egress_allow)
    egress, vault = HttpEgress(policy), EnvelopeVault(runtime.secrets)
    connector = aiohttp.TCPConnector(resolver=policy.resolver(), limit=100)
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
        mcp_manager(version("dcoder-platform")) as manager,
    ):
        yield Integrations(
            servers=ManageMcpServers(PostgresMcpServers(), vault, egress, OutboxEvents(), new_id=new_id, now=utc_now),
            call_tool=CallTool(HttpUpstream(session, egress, vault), problems),
            toolsets=Toolsets(),
            tenants=runtime.tenants,
            manager=manager,
        )
