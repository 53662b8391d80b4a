"""The client of providers reads answers in every form that HTTP/1.1 allows, and believes no others."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from functions.gateway.adapters.http_answer import BrokenOff, HttpAnswer, Unanswered
from functions.gateway.adapters.http_client import HttpClient
from functions.kit.egress import EgressPolicy

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Gives each request its bytes, as they are.

    Attributes:
        asked: the requests, heads and bodies together.
        connections: how many there were.
        heard: set when something was asked.
        left: set when a client has gone.
    """

    def __init__(self, *answers: bytes, keeps: bool = True) -> None:
        self._answers = list(answers)
        self._keeps = keeps
        self.asked: list[bytes] = []
        self.connections = 0
        self.heard = asyncio.Event()
        self.left = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                self.asked.append(head + await reader.readexactly(length))
                self.heard.set()
                writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
                await writer.drain()
                if not self._keeps:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def served(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1/chat"
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


@asynccontextmanager
async def client_of(server: Server, *, silence: float = 5.0, rest: float = 60.0) -> AsyncIterator[HttpClient]:
    host = server.url.split("/")[2]
    client = HttpClient(EgressPolicy([host]).resolver(), connect_seconds=5, silence_seconds=silence, rest_seconds=rest)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def calling(*answers: bytes, keeps: bool = True) -> AsyncIterator[tuple[HttpClient, Server]]:
    async with served(Server(*answers, keeps=keeps)) as server, client_of(server) as client:
        yield client, server


def within(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def ask(client: HttpClient, server: Server, **headers: str) -> HttpAnswer:
    return await client.post(server.url, headers, b"{}", until=within(10))


async def read(client: HttpClient, server: Server) -> bytes:
    async with await ask(client, server) as answer:
        return b"".join([piece async for piece in answer.pieces()])


def answer(body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"hello world"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: t\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + answer(b"hello world"),
        answer(gzip.compress(b"hello world"), "content-encoding: gzip"),
        answer(gzip.compress(b"hello") + gzip.compress(b"") + gzip.compress(b" world"), "content-encoding: gzip"),
        answer(zlib.compress(b"hello world"), "Content-Encoding: deflate"),
        answer(b"hello world", "content-encoding: identity"),
    ],
    ids=["length", "chunks", "hints before", "gzip", "gzip in parts", "deflate", "identity"],
)
async def test_a_body_in_every_form_and_the_connection_is_used_again(raw: bytes) -> None:
    async with calling(raw) as (client, server):
        assert [await read(client, server) for _ in range(3)] == [b"hello world"] * 3
    assert server.connections == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_that_ends_with_its_connection(version: bytes) -> None:
    async with calling(b"HTTP/" + version + b" 200 OK\r\n\r\nhello", keeps=False) as (client, server):
        assert [await read(client, server) for _ in range(2)] == [b"hello"] * 2
    assert server.connections == 2


async def test_what_is_asked() -> None:
    async with calling(OK) as (client, server), await ask(client, server, authorization="Bearer sk") as answered:
        assert (answered.status, answered.headers["content-length"]) == (200, "2")
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/chat HTTP/1.1"
    assert {"authorization: Bearer sk", "content-length: 2", f"host: {server.url.split('/')[2]}"} <= set(lines)
    assert body == b"{}"


@pytest.mark.parametrize(
    "raw",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000,
        answer(b"hello", "content-encoding: br"),
    ],
    ids=["garbage", "two lengths", "length and chunks", "another protocol", "endless head", "not asked for"],
)
async def test_what_is_no_answer_is_not_believed(raw: bytes) -> None:
    async with calling(raw, keeps=False) as (client, server):
        with pytest.raises(BrokenOff):
            await ask(client, server)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        answer(gzip.compress(b"hello world" * 99)[:-9], "content-encoding: gzip"),
        answer(b"hello", "content-encoding: gzip"),
        answer(gzip.compress(b"hello") + b"\0" * 99, "content-encoding: gzip"),
        answer(gzip.compress(b"hello") + gzip.compress(b"world")[:-4], "content-encoding: gzip"),
    ],
    ids=["short", "torn chunk", "bad chunk", "torn gzip", "no gzip", "more behind gzip", "torn second part"],
)
async def test_a_body_that_is_not_whole_is_not_taken_for_whole(raw: bytes) -> None:
    async with calling(raw, keeps=False) as (client, server):
        with pytest.raises(BrokenOff):
            await read(client, server)


async def test_nothing_need_not_be_compressed() -> None:
    async with calling(answer(b"", "content-encoding: gzip"), OK) as (client, server):
        assert [await read(client, server) for _ in range(2)] == [b"", b"{}"]


async def test_what_nobody_asked_for_is_nobodys_answer() -> None:
    async with calling(OK + answer(b"another's"), OK) as (client, server):
        assert [await read(client, server) for _ in range(2)] == [b"{}"] * 2
    assert server.connections == 2, "the first connection is not to be trusted"


async def test_bytes_behind_an_answer_are_not_waited_for() -> None:
    async with calling(OK + b"no answer at all\r\n\r\n", OK) as (client, server):
        assert [await read(client, server) for _ in range(2)] == [b"{}"] * 2
    assert server.connections == 2


async def test_what_an_answer_ends_with_is_not_the_next_ones() -> None:
    chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\ncontent-encoding: gzip\r\n\r\n"
    async with calling(chunks, OK) as (client, server):
        assert [await read(client, server) for _ in range(2)] == [b"{}"] * 2
    assert server.connections == 1


async def test_an_answer_that_is_left_takes_its_connection_along() -> None:
    async with calling(answer(b"x" * 100)[:-50], OK) as (client, server):
        async with await ask(client, server):
            pass
        assert await read(client, server) == b"{}"
        assert server.connections == 2


async def test_whoever_reads_slowly_holds_the_server_up_and_loses_nothing() -> None:
    body = bytes(range(256)) * 40_000
    async with calling(answer(body)) as (client, server):
        async with await ask(client, server) as slow:
            for _ in range(3):
                await asyncio.sleep(0)
            came = [piece async for piece in slow.pieces()]
            assert b"".join(came) == body
        assert await read(client, server) == body
    assert server.connections == 1


async def test_a_small_body_that_grows_beyond_measure_comes_in_pieces() -> None:
    raw = answer(gzip.compress(bytes(50_000_000)), "content-encoding: gzip")
    async with calling(raw) as (client, server), await ask(client, server) as bomb:
        sizes = [len(piece) async for piece in bomb.pieces()]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 2**20


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 2**21])
async def test_a_compressed_body_goes_on_behind_any_piece(size: int) -> None:
    raw = answer(gzip.compress(bytes(size)) + gzip.compress(b"end"), "content-encoding: gzip")
    async with calling(raw) as (client, server):
        assert await read(client, server) == bytes(size) + b"end"


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "\ud800"])
async def test_a_header_does_not_become_two(value: str) -> None:
    async with calling(OK) as (client, server):
        with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
            await ask(client, server, authorization=value)
    assert not server.asked


async def test_a_path_is_quoted_once() -> None:
    async with calling(OK) as (client, server):
        (await client.post(server.url + "/a b%20c/ü\r\nx?k=v w", {}, b"", until=within(5))).close()
    assert server.asked[0].startswith(b"POST /v1/chat/a%20b%20c/%C3%BC")
    assert server.asked[0].count(b"\r\nx") == 0


async def test_silence_ends_a_call_and_rest_a_connection() -> None:
    half = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell")
    async with served(half) as server, client_of(server, silence=0.05) as client:
        with pytest.raises(TimeoutError):
            await read(client, server)
    async with served(Server(OK)) as server, client_of(server, rest=0.05) as client:
        assert await read(client, server) == b"{}"
        await server.left.wait()
        assert await read(client, server) == b"{}"
        assert server.connections == 2


async def test_a_call_has_an_end_though_bytes_keep_coming() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    server = Server(OK)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    async with client_of(server) as client:
        with pytest.raises(TimeoutError):
            async with await client.post(server.url, {}, b"", until=within(0.1)) as endless:
                [piece async for piece in endless.pieces()]
    listening.close()


async def test_who_is_not_there_has_not_answered() -> None:
    async with calling(OK) as (client, server):
        pass
    async with client_of(server) as client:
        with pytest.raises(Unanswered):
            await ask(client, server)


async def test_addresses_within_the_network_are_not_called() -> None:
    client = HttpClient(EgressPolicy().resolver(), connect_seconds=5, silence_seconds=5)
    with pytest.raises(Unanswered, match="no public address"):
        await client.post("http://127.0.0.1:9/", {}, b"", until=within(5))
    await client.close()


async def test_a_cancelled_call_leaves_no_connection_behind() -> None:
    async with calling(b"HTTP/1.1 100 Continue\r\n\r\n") as (client, server):
        task = asyncio.create_task(ask(client, server))
        await server.heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 5)


async def test_a_server_must_prove_its_name(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(tmp_path))
    async with served(Server(OK), tls) as server, client_of(server) as client:
        with pytest.raises(ssl.SSLError):
            await ask(client, server)
        assert not server.asked


def certificate(folder: Path) -> Path:
    """One that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "both.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form[0], form[1])
    )
    return path
