"""A small server in the functions' place: it tells what reached it and answers as the request's query says."""

import asyncio
from collections import defaultdict

from aiohttp import web


class Functions:
    """One aiohttp application behind every host group; `address` is known once it is served."""

    def __init__(self) -> None:
        self.started: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.released: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.disconnected: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.calls = 0

    def application(self) -> web.Application:
        application = web.Application(client_max_size=64 * 1024**2)
        application.router.add_route("*", "/v1/streams/{name}", self._stream)
        application.router.add_route("*", "/v1/waits/{name}", self._wait)
        application.router.add_route("*", "/v1/crashes", self._crash)
        application.router.add_route("*", "/{path:.*}", self._echo)
        return application

    async def _echo(self, request: web.Request) -> web.Response:
        self.calls += 1
        body = await request.read()
        answer = {
            "method": request.method,
            "path": request.raw_path,
            "headers": [[name.lower(), value] for name, value in request.headers.items()],
            "bodyLength": len(body),
        }
        own = {name: value for name, value in request.query.items() if "-" in name}
        return web.json_response(answer, status=int(request.query.get("status", "200")), headers=own)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        self.started[name].set()
        try:
            await asyncio.wait_for(self.released[name].wait(), 20)
        except asyncio.CancelledError:
            self.disconnected[name].set()
            raise
        await response.write(b"data: last\n\n")
        return response

    async def _wait(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.started[name].set()
        try:
            await asyncio.wait_for(self.released[name].wait(), 20)
        except asyncio.CancelledError:
            self.disconnected[name].set()
            raise
        return web.json_response({})

    async def _crash(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
