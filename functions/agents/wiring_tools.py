"""The composition root of tools: settings in, the toolbox and what manages it out."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp

from functions.agents.adapters.mcp_postgres import EnvelopeVault, PostgresMcpServers
from functions.agents.adapters.mcp_sessions import HttpReach, SdkSessions
from functions.agents.adapters.tools_events import OutboxNotices, ToolEvents
from functions.agents.adapters.tools_http import HttpFetch
from functions.agents.adapters.tools_knowledge import KnowledgeSearch
from functions.agents.adapters.tools_policies import PolicyPermissions
from functions.agents.adapters.tools_postgres import PostgresToolCalls, PostgresToolSettings
from functions.agents.adapters.tools_spaces import DirectorySpaces
from functions.agents.core import built_in, mcp_models
from functions.agents.core.built_in import BuiltIns
from functions.agents.core.calculator import CALCULATOR
from functions.agents.core.code_tool import CODE
from functions.agents.core.manage_tools import ManageTools
from functions.agents.core.mcp_discovery import RefreshMcpServer
from functions.agents.core.mcp_servers import ManageMcpServers
from functions.agents.core.mcp_tools import McpTools
from functions.agents.core.tool_ports import Spaces, ToolSource
from functions.agents.core.tools import Tools
from functions.kit.clock import utc_now
from functions.kit.database import UnitOfWork
from functions.kit.egress import EgressPolicy
from functions.kit.identifiers import new_id
from functions.kit.json_schemas import problems
from functions.kit.runtime import Runtime


@dataclass(frozen=True, slots=True)
class AgentTools:
    """The use cases of tools.

    Attributes:
        toolbox: what executions call tools by.
    """

    toolbox: Tools
    manage: ManageTools
    servers: ManageMcpServers
    spaces: Spaces


@asynccontextmanager
async def agent_tools(runtime: Runtime) -> AsyncIterator[AgentTools]:
    """Wire them; their connections end with the block."""
    settings = runtime.settings
    policy = EgressPolicy.of(settings.egress_allow)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=policy.resolver(), limit=100),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
    ) as outside:
        own = BuiltIns(
            [
                KnowledgeSearch(runtime.http, settings.edge_url, runtime.service_tokens).tool(),
                HttpFetch(outside, policy).tool(),
                CALCULATOR,
                CODE,
            ]
        )
        spaces, said = DirectorySpaces(runtime.tenants), PostgresToolSettings(runtime.databases)
        calls = PostgresToolCalls(runtime.databases, runtime.secrets, ToolEvents(runtime.secrets))
        manage_servers, of_servers = _mcp(runtime, outside, policy)
        sources: Mapping[str, ToolSource] = {built_in.PREFIX: own, mcp_models.PREFIX: of_servers}
        yield AgentTools(
            toolbox=Tools(sources, spaces, said, permissions=PolicyPermissions(runtime), calls=calls, check=problems),
            manage=ManageTools(sources, said),
            servers=manage_servers,
            spaces=spaces,
        )


def _mcp(runtime: Runtime, outside: aiohttp.ClientSession, policy: EgressPolicy) -> tuple[ManageMcpServers, McpTools]:
    """The management of MCP servers, and their tools."""
    programs, servers = runtime.settings.mcp_stdio_programs, PostgresMcpServers(runtime.databases)
    vault = EnvelopeVault(runtime.secrets)
    sessions = SdkSessions(outside, policy, vault, programs, version("dcoder-platform"))

    def begin() -> UnitOfWork:
        return UnitOfWork(runtime.databases)

    refresh = RefreshMcpServer(servers, sessions, OutboxNotices(), begin)
    manage = ManageMcpServers(
        servers,
        sessions,
        vault,
        HttpReach(policy, programs),
        refresh=refresh,
        begin=begin,
        new_id=new_id,
        now=utc_now,
    )
    return manage, McpTools(servers, sessions, refresh, utc_now)
