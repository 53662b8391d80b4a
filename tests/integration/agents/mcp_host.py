"""MCP servers on the machine's spare port: a real one by the official SDK, and hostile ones beside it."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import jwt
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

OBJECT = {"type": "object"}
SIGNING_KEY = "a key of the test's own, long enough for HMAC"


@dataclass
class McpHost:
    """All that answers on the port, and all that it was sent.

    Attributes:
        audience: of the tokens that are given; the server's own address when empty.
        gate: a call of `wait` ends when this is set.
    """

    base: str
    tools: dict[str, Tool] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    headers: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tokens: list[dict[str, list[str]]] = field(default_factory=list)
    audience: str = ""
    page_size: int = 100
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.base}/mcp"

    def offer(self, name: str, description: str = "", schema: dict[str, Any] | None = None, **hints: bool) -> None:
        annotations = ToolAnnotations(**hints) if hints else None
        self.tools[name] = Tool(
            name=name, description=description, input_schema=schema or OBJECT, annotations=annotations
        )

    async def list_tools(self, _: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        start = int(params.cursor) if params and params.cursor else 0
        page = list(self.tools.values())[start : start + self.page_size]
        end = start + self.page_size
        return ListToolsResult(tools=page, next_cursor=str(end) if end < len(self.tools) else None)

    async def call_tool(self, _: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        arguments = dict(params.arguments or {})
        self.calls.append((params.name, arguments, str((params.meta or {}).get("dcoder.dev/call-id"))))
        match params.name:
            case "raise":
                raise RuntimeError("a secret of the server's")
            case "refuse":
                return CallToolResult(content=[TextContent(text="no")], is_error=True)
            case "flood":
                return CallToolResult(content=[TextContent(text="x" * 50_000_000)])
            case "much":
                return CallToolResult(content=[TextContent(text="x" * 1_000_000)])
            case "wait":
                self.reached.set()
                await self.gate.wait()
            case "picture":
                data = base64.b64encode(b"\x89PNG").decode()
                return CallToolResult(content=[ImageContent(data=data, mime_type="image/png")])
            case "count":
                count = sum(name == "count" for name, _, _ in self.calls)
                return CallToolResult(content=[TextContent(text=json.dumps({"count": count}))])
            case "structured":
                return CallToolResult(content=[], structured_content={"a": 1})
        return CallToolResult(content=[TextContent(text=json.dumps({"called": params.name, **arguments}))])

    def issued(self, form: dict[str, list[str]]) -> Response:
        self.tokens.append(form)
        claims = {"aud": self.audience or form.get("resource", [""])[0], "sub": "dcoder"}
        token = jwt.encode(claims, SIGNING_KEY, algorithm="HS256")
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 300})


async def hostile(host: McpHost, request: Request) -> Response | None:
    """What is not the real server; None for that one."""
    path = request.url.path
    if path == "/hang":
        host.reached.set()
        await host.gate.wait()
    if path in {"/oauth", "/elsewhere"} and "authorization" not in request.headers:
        about = f"{host.base}/.well-known/oauth-protected-resource{path}"
        return Response(status_code=401, headers={"www-authenticate": f'Bearer resource_metadata="{about}"'})
    if path in {"/mcp", "/oauth"}:
        return None
    if path == "/token":
        return host.issued(parse_qs((await request.body()).decode()))
    return answers(host.base).get(path) or Response(status_code=404)


def answers(base: str) -> dict[str, Response]:
    metadata = "/.well-known/oauth-protected-resource"
    issuer = {"issuer": base, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token",
              "response_types_supported": ["code"]}  # fmt: skip
    return {
        "/to-mcp": RedirectResponse(f"{base}/mcp", 307),
        "/to-elsewhere": RedirectResponse("http://127.0.0.1:1/mcp", 307),
        "/html": Response("<html>no server here</html>", media_type="text/html"),
        "/nonsense": Response("{" * 100_000, media_type="application/json"),
        "/endless": StreamingResponse(pieces(), media_type="application/json"),
        "/gzip": Response(b"x", media_type="application/json", headers={"content-encoding": "gzip"}),
        "/refused": JSONResponse({"error": "no"}, 403),
        f"{metadata}/oauth": JSONResponse({"resource": f"{base}/oauth", "authorization_servers": [base]}),
        f"{metadata}/elsewhere": JSONResponse(
            {"resource": f"{base}/elsewhere", "authorization_servers": ["https://attacker.example.com"]}
        ),
        "/.well-known/oauth-authorization-server": JSONResponse(issuer),
    }


async def pieces() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 1_000_000
        await asyncio.sleep(0)


class _Quiet(uvicorn.Server):
    """Leaves the signals to the tests, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serves = asyncio.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.serves.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def mcp_host(port: int) -> AsyncIterator[McpHost]:
    host = McpHost(f"http://127.0.0.1:{port}")
    server: Server[Any] = Server("pets", version="1", on_list_tools=host.list_tools, on_call_tool=host.call_tool)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        host.headers.append((request.url.path, dict(request.headers)))
        answer = await hostile(host, request)
        if answer is None:
            await manager.handle_request({**scope, "path": "/mcp"}, receive, send)
        else:
            await answer(scope, receive, send)

    serving = _Quiet(uvicorn.Config(app, port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1))

    async def serve() -> None:
        async with manager.run():
            await serving.serve()

    task = asyncio.create_task(serve())
    await serving.serves.wait()
    try:
        yield host
    finally:
        host.gate.set()
        serving.should_exit = serving.force_exit = True
        await task
