"""Addresses are read at public places alone: each redirect is checked as the address itself is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from functions.kit.egress import EgressPolicy
from functions.knowledge.adapters.http_fetcher import HttpFetcher
from functions.knowledge.core.reasons import CannotIngest, NotNow, Reason


@dataclass
class Outside:
    """A web server that the operator vouches for, and one that nobody does."""

    fetcher: HttpFetcher
    vouched: str
    inside: str
    reached: list[str]

    async def read(self, address: str, most_bytes: int = 1000) -> bytes:
        return b"".join([piece async for piece in self.fetcher.fetch(address, most_bytes)])

    async def refused(self, address: str, most_bytes: int = 1000) -> Reason:
        with pytest.raises((CannotIngest, NotNow)) as refusal:
            await self.read(address, most_bytes)
        assert isinstance(refusal.value, CannotIngest | NotNow)
        return refusal.value.reason


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    reached: list[str] = []

    def serving(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            reached.append(f"{name}{request.path}")
            if request.path == "/circle":
                return web.Response(status=302, headers={"location": "/circle"})
            if onward := request.query.get("to"):
                return web.Response(status=302, headers={"location": onward})
            return web.Response(status=int(request.query.get("status", 200)), body=b"x" * 500)

        return serve

    async def started(name: str) -> TestServer:
        application = web.Application()
        application.router.add_get("/{path:.*}", serving(name))
        server = TestServer(application)
        await server.start_server()
        return server

    vouched, inside = await started("vouched"), await started("inside")
    policy = EgressPolicy.of(f"127.0.0.1:{vouched.port}")
    connector = aiohttp.TCPConnector(resolver=policy.resolver())
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Outside(HttpFetcher(http, policy), str(vouched.make_url("/")), str(inside.make_url("/")), reached)
    await vouched.close()
    await inside.close()


async def test_redirects_are_followed_as_far_as_they_lead_to_public_places(outside: Outside) -> None:
    assert await outside.read(f"{outside.vouched}a?to=/b%3Fto%3Dc") == b"x" * 500
    assert outside.reached == ["vouched/a", "vouched/b", "vouched/c"]


@pytest.mark.parametrize(
    "onward",
    [
        "{inside}secret",
        "//127.0.0.1:1/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://2130706433/",
        "http://user:secret@example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
    ],
)
async def test_a_redirect_to_the_inside_is_refused_at_any_hop(outside: Outside, onward: str) -> None:
    forbidden = onward.format(inside=outside.inside)
    one = f"{outside.vouched}a?to={forbidden}"
    assert await outside.refused(one) is Reason.FETCH_DENIED
    assert await outside.refused(f"{outside.vouched}first?to=/a%3Fto={forbidden}") is Reason.FETCH_DENIED
    assert not any(place.startswith("inside") for place in outside.reached)


async def test_what_is_away_or_too_much_says_so(outside: Outside) -> None:
    assert await outside.refused(f"{outside.vouched}circle") is Reason.FETCH_FAILED
    assert await outside.refused(f"{outside.vouched}a", most_bytes=100) is Reason.TOO_LARGE
    assert await outside.refused(f"{outside.vouched}a?status=404") is Reason.FETCH_FAILED
    with pytest.raises(NotNow):
        await outside.read(f"{outside.vouched}a?status=503")
