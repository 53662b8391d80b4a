"""GET and PUT /v1/agents/tools: the tools that a tenant's agents may use."""

from typing import Annotated

from fastapi import Path, Query, Request

from functions.agents.callers import space_of
from functions.agents.core.manage_tools import ToolState
from functions.agents.tools.schemas import AgentTool, PutToolBody
from functions.agents.wiring_tools import AgentTools, agent_tools
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.models import Page
from functions.kit.routing import api_router

router = api_router()

_ALL, _ONE = "/v1/agents/tools", "/v1/agents/tools/{name}"
_READ, _WRITE = [require("tools:read")], [require("tools:write")]
Name = Annotated[str, Path(max_length=250, pattern=r"^[A-Za-z0-9._-]+$")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1_000)]


@router.get(_ALL, dependencies=_READ, summary="List the tools")
async def list_tools(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Page[AgentTool]:
    """Every tool of the tenant by name, those that are off included."""
    use: AgentTools = request.app.state.wiring
    after = str(decode_cursor(cursor, str)[0]) if cursor else ""
    states = [state for state in await use.manage.all(await space_of(request, use.spaces)) if state.tool.name > after]
    page = states[:limit]
    more = encode_cursor(page[-1].tool.name) if len(states) > limit else None
    return Page(items=[AgentTool.of(state) for state in page], next_cursor=more)


@router.get(_ONE, dependencies=_READ, summary="Get a tool")
async def get_tool(request: Request, name: Name) -> AgentTool:
    """One tool."""
    use: AgentTools = request.app.state.wiring
    state: ToolState = await use.manage.get(await space_of(request, use.spaces), name)
    return AgentTool.of(state)


@router.put(_ONE, dependencies=_WRITE, summary="Turn a tool on or off")
async def put_tool(request: Request, name: Name, body: PutToolBody) -> AgentTool:
    """Say whether the tenant's agents may use a tool; in force from the next call on."""
    use: AgentTools = request.app.state.wiring
    state = await use.manage.put(await space_of(request, use.spaces), name, body.setting())
    return AgentTool.of(state)


app = create_app(router, wire=agent_tools)
