"""The composition root of tools: settings in, the toolbox and what manages it out."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from functions.agents.adapters.tools_events import ToolEvents
from functions.agents.adapters.tools_http import HttpFetch
from functions.agents.adapters.tools_knowledge import KnowledgeSearch
from functions.agents.adapters.tools_policies import PolicyPermissions
from functions.agents.adapters.tools_postgres import PostgresToolCalls, PostgresToolSettings
from functions.agents.adapters.tools_spaces import DirectorySpaces
from functions.agents.core import built_in
from functions.agents.core.built_in import BuiltIns
from functions.agents.core.calculator import CALCULATOR
from functions.agents.core.code_tool import CODE
from functions.agents.core.manage_tools import ManageTools
from functions.agents.core.tool_ports import Spaces, ToolSource
from functions.agents.core.tools import Tools
from functions.kit.egress import EgressPolicy
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
        sources: Mapping[str, ToolSource] = {built_in.PREFIX: own}
        spaces, said = DirectorySpaces(runtime.tenants), PostgresToolSettings(runtime.databases)
        calls = PostgresToolCalls(runtime.databases, runtime.secrets, ToolEvents(runtime.secrets))
        yield AgentTools(
            toolbox=Tools(sources, spaces, said, permissions=PolicyPermissions(runtime), calls=calls, check=problems),
            manage=ManageTools(sources, said),
            spaces=spaces,
        )
