"""Body limits and streaming: nothing hangs, nothing is held back."""

import asyncio
import http.client
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.integration.edge.conftest import Edge

pytestmark = pytest.mark.integration

TEN_MEGABYTES = 10 * 1024**2


async def pieces(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 65_536):
        yield b"x" * 65_536


async def post(edge: Edge, path: str, data: object, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    async with edge.client.post(edge.http + path, data=data, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("size", [65_537, TEN_MEGABYTES])
async def test_too_large_by_content_length(edge: Edge, bearer: dict[str, str], size: int) -> None:
    status, body = await post(edge, "/v1/things", io.BytesIO(b"x" * size), bearer)
    assert status == 413
    assert body["error"] == {
        "code": "payload_too_large",
        "message": "The body is larger than the route takes.",
        "details": {"limitBytes": 65_536},
    }


async def test_too_large_in_chunks_never_reaches_the_function(edge: Edge, bearer: dict[str, str]) -> None:
    calls = edge.functions.calls
    status, body = await post(edge, "/v1/things", pieces(TEN_MEGABYTES), bearer)
    assert status == 413
    assert "payload_too_large" in str(body)
    assert edge.functions.calls == calls


async def test_blocking_client_gets_its_413(edge: Edge, bearer: dict[str, str]) -> None:
    """http.client sends all before it reads: the edge must take the rest, or the client sees a broken pipe."""

    def send() -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
        statuses = []
        for _ in range(3):
            connection.request("POST", "/v1/things", body=b"x" * TEN_MEGABYTES, headers=bearer)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    assert await asyncio.to_thread(send) == [413, 413, 413]


@pytest.mark.parametrize("chunked", [False, True])
async def test_limit_itself_passes(edge: Edge, bearer: dict[str, str], chunked: bool) -> None:
    status, body = await post(edge, "/v1/things", pieces(65_536) if chunked else b"x" * 65_536, bearer)
    assert (status, body["bodyLength"]) == (200, 65_536)


async def test_limit_is_the_functions_own(edge: Edge, bearer: dict[str, str]) -> None:
    """Two functions share the path; each method has its function's limit."""
    async with edge.client.delete(f"{edge.http}/v1/things/1", data=b"x" * 1025, headers=bearer) as answer:
        assert answer.status == 413
        assert (await answer.json())["error"]["details"] == {"limitBytes": 1024}


async def test_no_body_is_read_without_a_credential(edge: Edge) -> None:
    calls = edge.functions.calls
    status, _ = await post(edge, "/v1/things", b"x" * 60_000, {})
    assert status == 401
    assert edge.functions.calls == calls


async def test_stream_is_not_held_back(edge: Edge, bearer: dict[str, str]) -> None:
    async with edge.client.post(f"{edge.http}/v1/streams/flow", headers=bearer) as answer:
        assert await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 5) == b"data: first\n\n"
        edge.functions.released["flow"].set()
        assert await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 5) == b"data: last\n\n"


async def test_client_that_leaves_a_stream_is_noticed(edge: Edge, bearer: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as leaving:
        answer = await leaving.post(f"{edge.http}/v1/streams/left", headers=bearer)
        await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 5)
        answer.close()
    await asyncio.wait_for(edge.functions.disconnected["left"].wait(), 2)


async def test_client_that_leaves_before_the_answer_is_noticed(edge: Edge, bearer: dict[str, str]) -> None:
    request = asyncio.create_task(edge.client.get(f"{edge.http}/v1/waits/gone", headers=bearer).__aenter__())
    await asyncio.wait_for(edge.functions.started["gone"].wait(), 5)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.wait_for(edge.functions.disconnected["gone"].wait(), 0.9)
