"""The server speaks HTTP/1.1 and nothing else, and takes no body for a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from functions.kit.http_server import CoalescingTransport, HttpProtocol

asked: list[str] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    asked.append(scope["path"])
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, http=HttpProtocol, log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    asked.clear()
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*state.tasks)


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "x"])
async def test_a_body_behind_an_upgrade_is_no_request(protocol: str) -> None:
    async with connected() as (reader, writer):
        body = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
        head = f"POST /asked HTTP/1.1\r\nhost: x\r\nupgrade: {protocol}\r\nconnection: upgrade\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode())
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        await reader.read()
    assert first.startswith(b"HTTP/1.1 400")
    assert asked == []


async def test_requests_behind_one_another_are_answered_in_turn() -> None:
    async with connected() as (reader, writer):
        one = b"POST /%d HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\nhello"
        writer.write(one % 1 + one % 2)
        answers = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert asked == ["/1", "/2"]


def test_who_has_left_is_written_nothing_and_nothing_of_it_is_told() -> None:
    told: list[object] = []

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        ours = CoalescingTransport(transport, loop)
        ours.write(b"x")
        transport.abort()
        for _ in range(3):
            ours.write(b"y")
            await asyncio.sleep(0)
        server.close()
        await server.wait_closed()

    # The loop that serves; asyncio's own transports say nothing.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(leave())
    assert not told
