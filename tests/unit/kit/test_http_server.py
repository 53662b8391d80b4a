"""The server speaks HTTP/1.1 and nothing else, and takes no body for a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from functions.kit.answers import JsonAnswer
from functions.kit.http_server import CoalescingTransport, HttpProtocol

asked: list[str] = []
read: list[int] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    asked.append(scope["path"])
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    read.append(size)
    if scope["path"].startswith("/json"):
        await JsonAnswer(b"{}", {"x-said": unquote(scope["query_string"].decode())})(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connected(*, idle: int = 5) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, http=HttpProtocol, log_config=None, lifespan="off", timeout_keep_alive=idle)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    asked.clear()
    read.clear()
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


JSON = b"HTTP/1.1 200 OK\r\nx-said: %b\r\ncontent-type: application/json\r\ncontent-length: 2\r\n%b\r\n{}"
CLOSES = b"connection: close\r\n"


async def test_json_in_one_piece_is_answered_on_a_connection_that_stays() -> None:
    async with connected() as (reader, writer):
        for said in (b"a", b"b", b"\tc"):
            writer.write(b"GET /json?%b HTTP/1.1\r\nhost: x\r\n\r\n" % said.replace(b"\t", b"%09"))
            whole = JSON % (said, b"")
            assert await reader.readexactly(len(whole)) == whole


async def test_json_is_answered_in_turn_with_what_is_not() -> None:
    async with connected() as (reader, writer):
        asking = [b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % path for path in (b"/json?1", b"/other", b"/json?2")]
        writer.write(b"".join(asking))
        whole = (JSON % (b"1", b"")) + b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" + (JSON % (b"2", b""))
        assert await reader.readexactly(len(whole)) == whole
    assert asked == ["/json", "/other", "/json"]


@pytest.mark.parametrize("asking", [b"HTTP/1.1\r\nhost: x\r\nconnection: close", b"HTTP/1.0\r\nhost: x"])
async def test_a_client_that_wants_no_more_is_told_so_and_left(asking: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET /json?a " + asking + b"\r\n\r\n")
        assert await reader.read() == JSON % (b"a", CLOSES)


async def test_head_has_no_body() -> None:
    async with connected() as (reader, writer):
        writer.write(b"HEAD /json?a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"content-length: 2" in head
    assert not body


@pytest.mark.parametrize("said", ["%0d%0aset-cookie:%20a=b", "%0d", "%0a", "%00", "%7f", "%e2%82%ac"])
async def test_no_header_holds_what_would_be_read_as_another(said: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as (reader, writer):
        writer.write(f"GET /json?{said} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert await reader.read() == b""
    assert caplog.records


async def test_a_body_in_parts_is_read_before_json_is_answered() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /json?a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for _ in range(2):
            writer.write(b"hello")
            await asyncio.sleep(0.01)
        whole = JSON % (b"a", b"")
        assert await reader.readexactly(len(whole)) == whole


@pytest.mark.parametrize("more", [b"", b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n"])
async def test_no_body_is_longer_than_announced(more: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /json?a HTTP/1.1\r\nhost: x\r\n" + more + b"content-length: 5\r\n\r\nhello, world")
        await reader.read()
    assert read in ([], [5])


async def test_a_connection_is_left_once_it_was_idle_for_long() -> None:
    async with connected(idle=1) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /json?a HTTP/1.1\r\nhost: x\r\n\r\n")
            whole = JSON % (b"a", b"")
            assert await reader.readexactly(len(whole)) == whole
            asked_last = asyncio.get_running_loop().time()
            if len(asked) < 2:
                await asyncio.sleep(0.6)
        assert await reader.read() == b""
        assert 0.9 < asyncio.get_running_loop().time() - asked_last < 3


class Wire(asyncio.Transport):
    """Tells what is done to it, and when."""

    def __init__(self, done: list[str]) -> None:
        super().__init__()
        self.done = done

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data).decode())

    def close(self) -> None:
        self.done.append("close")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def is_closing(self) -> bool:
        return "close" in self.done


@pytest.mark.parametrize("closes", [False, True])
async def test_an_answer_leaves_behind_what_was_sent_to_others_before_it(closes: bool) -> None:
    done: list[str] = []
    ours = CoalescingTransport(Wire(done), asyncio.get_running_loop())
    asyncio.get_running_loop().call_soon(done.append, "books")
    ours.write(b"head,")
    ours.write(b"body")
    if closes:
        ours.close()
    assert ours.is_closing() is closes
    await asyncio.sleep(0)
    assert done == (["pause", "books", "head,body", "close"] if closes else ["books", "head,body"])


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
