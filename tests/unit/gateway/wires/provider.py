"""A provider on this machine that answers what a test tells it to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from functions.gateway.adapters.circuit_breaker import CircuitBreakers
from functions.gateway.adapters.http_client import HttpClient
from functions.gateway.adapters.provider_http import ProviderHttp
from functions.gateway.adapters.retries import RetryPolicy
from functions.gateway.core.models import Provider, Target
from functions.kit.egress import EgressPolicy

Json = dict[str, Any]

# Tests of what happens after a retry need not wait for it.
SWIFT = RetryPolicy(first_pause=0.001)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        cut: the connection is dropped after the body, which stays unfinished.
        hang: nothing more is sent after the body until the client leaves.
    """

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> "Reply":
        return cls(
            status, orjson.dumps(value), headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    @classmethod
    def events(cls, *events: Any, cut: bool = False, hang: bool = False) -> "Reply":
        frames = [event if isinstance(event, bytes) else orjson.dumps(event) for event in events]
        body = b"".join(b"data: " + frame + b"\n\n" for frame in frames)
        return cls(200, body, "text/event-stream", cut=cut, hang=hang)


# Drops the connection before any byte of an answer.
DROP = Reply(status=0)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    port: int

    @property
    def json(self) -> Json:
        value: Json = orjson.loads(self.body)
        return value


class LocalProvider:
    """Gives the replies in their order, and the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.by_path: Callable[[str], Reply] | None = None
        self.url = ""
        self._replies: deque[Reply] = deque()

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def will(self, *replies: Reply) -> None:
        self._replies = deque(replies)
        self.asked.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        self.asked.append(Asked(request.path, request.query_string, headers, await request.read(), port))
        if self.by_path is not None:
            reply = self.by_path(request.path)
        else:
            reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        if reply is DROP:
            request.transport.abort()
            return web.Response()
        head = {**reply.headers, "content-type": reply.content_type}
        if not reply.cut and not reply.hang:
            return web.Response(status=reply.status, body=reply.body, headers=head)
        response = web.StreamResponse(status=reply.status, headers=head)
        await response.prepare(request)
        await response.write(reply.body)
        if reply.hang:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        request.transport.abort()
        return response


@asynccontextmanager
async def serving() -> AsyncIterator[LocalProvider]:
    provider = LocalProvider()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", provider.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


@asynccontextmanager
async def calling(
    *hosts: str,
    retries: RetryPolicy = SWIFT,
    breakers: CircuitBreakers | None = None,
    first_byte_seconds: float = 5.0,
    total_seconds: float = 10.0,
) -> AsyncIterator[ProviderHttp]:
    egress = EgressPolicy(hosts)
    client = HttpClient(egress.resolver(), connect_seconds=5.0, silence_seconds=first_byte_seconds)
    try:
        yield ProviderHttp(client, egress, retries=retries, breakers=breakers, total_seconds=total_seconds)
    finally:
        await client.close()


def target(base_url: str, kind: str = "openai", model: str = "m", key: str = "sk-secret") -> Target:
    return Target(Provider(name="acme", kind=kind, base_url=base_url, api_key=key), model)
