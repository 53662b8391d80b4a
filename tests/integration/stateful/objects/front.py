"""What stands between functions and the store in these tests: counts sessions, and does to answers what networks do."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

Change = Callable[[str], str]


@dataclass
class Front:
    """Passes everything on to the store, signatures and all.

    Attributes:
        asked: sessions that were asked for, by name.
        was_asked: set once one was.
        part_keys: access keys that parts of uploads were signed with.
        is_away: whether those who ask for a session are cut off.
        hold: they wait until this is set.
        change: what becomes of the text of a session's answer.
        date: what the store's clock seems to say.
        hides_absence: whether an object that is not there is refused, as AWS does to who may not list all.
    """

    store: str
    address: str = ""
    asked: list[str] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    part_keys: set[str] = field(default_factory=set)
    is_away: bool = False
    hold: asyncio.Event | None = None
    change: Change | None = None
    date: str | None = None
    hides_absence: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.read()
        is_session = request.method == "POST" and request.path == "/"
        if is_session:
            found = re.search(r"RoleSessionName=([\w-]+)", body.decode())
            self.asked.append(found[1] if found else "")
            self.was_asked.set()
            if self.is_away:
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=502)
            if self.hold is not None:
                await self.hold.wait()
        if "partNumber" in request.query:
            self.part_keys.update(re.findall(r"Credential=(\w+)/", request.headers["Authorization"]))
        return await self._passed_on(request, body, is_session=is_session)

    async def _passed_on(self, request: web.Request, body: bytes, *, is_session: bool) -> web.Response:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as http,
            http.request(
                request.method, f"{self.store}{request.raw_path}", data=io.BytesIO(body), headers=request.headers
            ) as answer,
        ):
            content = await answer.read()
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in {"content-length", "transfer-encoding"}
            }
            status = answer.status
        if is_session and self.change:
            content = self.change(content.decode()).encode()
        if is_session and self.date:
            headers["Date"] = self.date
        if status == 404 and self.hides_absence and "list-type" not in request.query:
            content, status = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", 403
        if request.method == "HEAD":
            headers["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=status, headers=headers)
        return web.Response(body=content, status=status, headers=headers)


@asynccontextmanager
async def front_of(store: str) -> AsyncIterator[Front]:
    """A front of the store at this address."""
    front = Front(store)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", front.handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    front.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield front
    finally:
        if front.hold is not None:
            front.hold.set()
        await runner.cleanup()
