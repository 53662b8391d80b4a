"""Speaks the Model Context Protocol over streamable HTTP (modelcontextprotocol.io), by its official SDK.

Stateless: every request carries all that it needs, so any process can serve it.
"""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as McpTool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.integrations.core.errors import ToolFailed
from functions.integrations.core.models import Json, Tool, UpstreamAnswer
from functions.kit.errors import DcoderError

_EXCHANGE = "dcoder.mcp"
_LONGEST_TEXT = 200_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one request may reach: the tools that its caller is allowed, and how they are called."""

    tools: dict[str, Tool]
    call: Callable[[Tool, Json], Awaitable[UpstreamAnswer]]


class McpAnswer(Response):
    """Answers an MCP request of which the function has found out who asks and what for."""

    def __init__(self, manager: StreamableHTTPSessionManager, exchange: Exchange) -> None:
        super().__init__()
        self._manager = manager
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the SDK answer."""
        await self._manager.handle_request({**scope, _EXCHANGE: self._exchange}, receive, send)


@asynccontextmanager
async def mcp_manager(version: str) -> AsyncIterator[StreamableHTTPSessionManager]:
    """The SDK's server; one serves every tenant, since who asks comes with each request."""
    server: Server[Any] = Server("dcoder", version=version, on_list_tools=_list_tools, on_call_tool=_call_tool)
    # Which hosts and origins may ask is the edge's to say.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, security_settings=security)
    async with manager.run():
        yield manager


async def _list_tools(context: ServerRequestContext[Any], _: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=[_described(tool) for tool in _exchange(context).tools.values()])


async def _call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
    exchange = _exchange(context)
    tool = exchange.tools.get(params.name)
    if tool is None:
        raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}")
    try:
        answer = await exchange.call(tool, dict(params.arguments or {}))
    except DcoderError as error:
        return CallToolResult(content=[TextContent(text=error.message)], is_error=True)
    return _result(answer)


def _exchange(context: ServerRequestContext[Any]) -> Exchange:
    request = context.request
    if not isinstance(request, Request):
        raise ToolFailed("the request came without a caller")
    exchange: Exchange = request.scope[_EXCHANGE]
    return exchange


def _described(tool: Tool) -> McpTool:
    return McpTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.schema,
        annotations=ToolAnnotations(
            read_only_hint=tool.is_read_only,
            destructive_hint=tool.method in {"PUT", "PATCH", "DELETE"},
            idempotent_hint=tool.method in {"GET", "HEAD", "PUT", "DELETE"},
            open_world_hint=True,
        ),
    )


def _result(answer: UpstreamAnswer) -> CallToolResult:
    is_error = answer.status >= 400
    content, structured = _content(answer)
    if is_error:
        content.insert(0, TextContent(text=f"The API answered {answer.status}."))
    return CallToolResult(content=content, structured_content=structured if not is_error else None, is_error=is_error)


def _content(answer: UpstreamAnswer) -> tuple[list[ContentBlock], Json | None]:
    if answer.media_type.startswith("image/"):
        data = base64.b64encode(answer.body).decode()
        return [ImageContent(data=data, mime_type=answer.media_type)], None
    if not answer.body:
        return [TextContent(text="(no content)")], None
    text = answer.body.decode("utf-8", errors="replace")
    structured = None
    if answer.media_type == "application/json" or answer.media_type.endswith("+json"):
        try:
            parsed = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            parsed = None
        structured = parsed if isinstance(parsed, dict) else None
    elif not answer.media_type.startswith("text/"):
        return [TextContent(text=f"({len(answer.body)} bytes of {answer.media_type})")], None
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}\n(cut here: {len(text) - _LONGEST_TEXT} of {len(text)} characters are left out)"
    return [TextContent(text=text)], structured
