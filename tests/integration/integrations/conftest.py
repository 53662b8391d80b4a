"""An API behind MCP servers, on this machine's spare port: it notes what it is sent and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from functions.kit.identifiers import new_id
from tests.platform import Platform

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets/{petId}": {
            "parameters": [{"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getPet", "summary": "Get a pet"},
            "delete": {"operationId": "deletePet", "summary": "Remove a pet"},
        },
        "/pets": {
            "post": {
                "operationId": "createPet",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object", "required": ["name"]}}},
                },
            }
        },
        "/moved": {"get": {"operationId": "moved"}},
        "/huge": {"get": {"operationId": "huge"}},
        "/broken": {"get": {"operationId": "broken"}},
    },
}


# What is answered to whatever is asked there.
ALWAYS: dict[str, Callable[[], web.Response]] = {
    "/huge": lambda: web.Response(body=b"x" * 3_000_000),
    "/refused": lambda: web.json_response({}, status=401),
    "/long": lambda: web.Response(text="x" * 200_010),
    "/broken": lambda: web.json_response({"error": "out of pets"}, status=500),
}


@dataclass
class Pets:
    """The API, and all that it was sent."""

    base_url: str
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=lambda: DOCUMENT)
    raw: bytes = b""
    status: int = 200
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def headers(self) -> dict[str, str]:
        return self.seen[-1][2]


@pytest.fixture
async def pets(platform: Platform) -> AsyncIterator[Pets]:
    # Under a path of this test's own: what another test's server is still asked for meanwhile is not this one's.
    root = f"/{new_id()}"
    api = Pets(f"http://127.0.0.1:{platform.spare_port}{root}")

    async def serve(request: web.Request) -> web.Response:
        body = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not request.path.startswith(f"{root}/"):
            return web.json_response({"error": "another test's"}, status=404)
        path = request.path.removeprefix(root)
        api.seen.append((request.method, request.raw_path.removeprefix(root), headers, body))
        if path == "/openapi.json":
            return web.json_response(api.document, status=api.status)
        if path == "/raw":
            return web.Response(body=api.raw)
        if path == "/slow.json":
            await api.let_go.wait()
            return web.json_response(api.document)
        if path == "/token":
            return web.json_response({"access_token": "for-pets-alone", "expires_in": 300, "token_type": "Bearer"})
        if path == "/moved":
            raise web.HTTPFound("http://127.0.0.1:1/elsewhere")
        if path in ALWAYS:
            return ALWAYS[path]()
        return web.json_response({"method": request.method, "path": path, "name": "Rex"})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", platform.spare_port).start()
    try:
        yield api
    finally:
        await runner.cleanup()
