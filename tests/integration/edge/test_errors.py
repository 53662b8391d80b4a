"""Every answer of the edge itself is the error envelope; a function's own answers pass untouched."""

import asyncio
import re

import pytest
from aiohttp import ClientResponse, web

from tests.integration.edge.conftest import Edge, eventually

pytestmark = pytest.mark.integration


async def envelope(answer: ClientResponse, status: int, code: str) -> dict[str, object]:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers
    error = (await answer.json())["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code
    assert error["message"]
    return dict(error)


async def raw(edge: Edge, request: bytes, *, port: int = 0) -> tuple[bytes, bytes]:
    """Head and body of what the edge says to these very bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port or edge.port)
    try:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        return head, await asyncio.wait_for(reader.readexactly(int(length[1])), 10)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_unknown_route(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.http}/v1/nothing", headers=bearer) as answer:
        await envelope(answer, 404, "not_found")


@pytest.mark.parametrize(
    "path", ["/_edge/to/platform-things", "/_edge/401", "/tenants.json", "/v1/things/", "/v1/Things"]
)
async def test_what_is_no_route_stays_hidden(edge: Edge, bearer: dict[str, str], path: str) -> None:
    async with edge.client.get(edge.http + path, headers=bearer) as answer:
        await envelope(answer, 404, "not_found")


async def test_method_not_allowed_names_those_of_all_functions(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.put(f"{edge.http}/v1/things/7", headers=bearer) as answer:
        await envelope(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "DELETE, GET"


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready"])
async def test_own_routes_are_read_only(edge: Edge, path: str) -> None:
    async with edge.client.post(edge.http + path) as answer:
        await envelope(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_process_away_is_503_and_heals(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.post(f"{edge.http}/v1/away", headers=bearer) as answer:
        await envelope(answer, 503, "dependency_unavailable")
        assert answer.headers["Retry-After"] == "1"
    runner = web.AppRunner(edge.functions.application(), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", edge.away.getsockname()[1], reuse_address=True)
    edge.away.close()
    await site.start()
    try:
        async with edge.client.get(f"{edge.http}/v1/away", headers=bearer) as answer:
            assert answer.status == 200
    finally:
        await runner.cleanup()
    async with edge.client.get(f"{edge.http}/v1/away", headers=bearer) as answer:
        await envelope(answer, 503, "dependency_unavailable")


async def test_process_that_takes_no_connection_is_away_too(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.http}/v1/deaf", headers=bearer) as answer:
        await envelope(answer, 503, "dependency_unavailable")
        assert answer.headers["Retry-After"] == "1"


async def test_process_that_dies_in_mid_request(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.post(f"{edge.http}/v1/crashes", headers=bearer) as answer:
        await envelope(answer, 503, "dependency_unavailable")


async def test_slow_function_is_504(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.get(f"{edge.http}/v1/waits/slow", headers=bearer) as answer:
        await envelope(answer, 504, "upstream_timeout")
    await asyncio.wait_for(edge.functions.disconnected["slow"].wait(), 5)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 502, 503, 504])
async def test_functions_own_errors_pass_untouched(edge: Edge, bearer: dict[str, str], status: int) -> None:
    url = f"{edge.http}/v1/things?status={status}&Retry-After=17"
    async with edge.client.get(url, headers=bearer) as answer:
        assert answer.status == status
        assert (await answer.json())["method"] == "GET"
        assert answer.headers["Retry-After"] == "17"


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"NONSENSE\r\n\r\n", b"400", b"invalid_request"),
        (b"GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"400", b"invalid_request"),
        (b"GET /v1/things HTTP/1.1\r\n\r\n", b"400", b"invalid_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400", b"invalid_request"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"400",
            b"invalid_request",
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"501", b"not_implemented"),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", b"505", b"invalid_request"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414", b"uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", b"431", b"headers_too_large"),
    ],
)
async def test_requests_that_cannot_be_read(edge: Edge, request_bytes: bytes, status: bytes, code: bytes) -> None:
    head, body = await raw(edge, request_bytes)
    assert head.split()[1] == status
    assert b'"code":"' + code + b'"' in body
    assert b"X-Request-Id: " in head
    assert b"X-Content-Type-Options: nosniff" in head


async def test_plain_http_on_the_tls_port(edge: Edge) -> None:
    head, body = await raw(edge, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", port=edge.tls_port)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"use https" in body


@pytest.mark.parametrize("path", ["/v1/auth/../things", "/v1/./things", "/v1/auth/%2e%2e/things", "/v1/things/.."])
async def test_dot_segments_are_refused(edge: Edge, path: str) -> None:
    """nginx would resolve them and the function would not."""
    head, body = await raw(edge, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"invalid_request" in body


async def test_headers_that_never_end_are_cut_off(edge: Edge) -> None:
    """The client trickles a header now and then; the whole head has one second here."""
    with pytest.raises(asyncio.IncompleteReadError) as cut:
        await raw(edge, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert cut.value.partial == b""


async def test_own_errors_are_logged_with_the_callers_method_and_path(edge: Edge, bearer: dict[str, str]) -> None:
    headers = {**bearer, "X-Request-Id": "logged-request"}
    async with edge.client.patch(f"{edge.http}/v1/things?api_key=dck_secret", headers=headers) as answer:
        assert answer.status == 405

    async def logged() -> bool:
        return "logged-request" in edge.log()

    await eventually(logged)
    line = next(line for line in edge.log().splitlines() if "logged-request" in line)
    assert '"method":"PATCH","path":"/v1/things","status":405' in line
    assert "dck_" not in edge.log()
