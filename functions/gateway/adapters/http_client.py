"""POSTs over HTTP/1.1 connections that are kept and used again, each to an address that was looked at first."""

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult

from functions.gateway.adapters.http_answer import HttpAnswer, Unanswered
from functions.gateway.adapters.http_connection import HttpConnection

_RESOLVED_SECONDS: Final = 60.0
# RFC 8305, section 8: how much later the next address is tried.
_NEXT_ADDRESS_SECONDS: Final = 0.25
# Reserved and unreserved characters of RFC 3986, and what is quoted already.
_SAFE: Final = "/:@!$&'()*+,;=-._~%[]?"
_HEADERS: Final = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "dcoder-gateway"}


class _Origin(NamedTuple):
    """Where connections lead."""

    scheme: str
    host: str
    port: int


class HttpClient:
    """A client of many servers.

    Args:
        resolver: gives the addresses of a name that may be called.
        connect_seconds: longest wait for a connection, the name's look-up and TLS included.
        silence_seconds: longest wait for an answer's first byte and between two.
        rest_seconds: how long a connection is kept without a request.
    """

    def __init__(
        self, resolver: AbstractResolver, *, connect_seconds: float, silence_seconds: float, rest_seconds: float = 60.0
    ) -> None:
        self._resolver = resolver
        self._connect_seconds = connect_seconds
        self._silence_seconds = silence_seconds
        self._rest_seconds = rest_seconds
        self._resting: defaultdict[_Origin, list[HttpConnection]] = defaultdict(list)
        self._open: dict[HttpConnection, _Origin] = {}
        self._resolved: dict[tuple[str, int], tuple[float, asyncio.Task[list[ResolveResult]]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, until: float) -> HttpAnswer:
        """The answer to a POST, open: whoever gets it must close it. Redirects are answers like others.

        Args:
            until: when all of the answer must have come, on the loop's clock.

        Raises:
            Unanswered: the connection was refused, or lost before any byte of an answer.
            BrokenOff: what came is no answer.
            TimeoutError: there was no connection, or no answer, in time.
            ssl.SSLError: the server is not who it should be.
            ValueError: a header cannot be sent.
        """
        origin, head = _opening(url, tuple(headers.items()))
        connection = self._rested(origin) or await self._connect(origin, until)
        answer = connection.ask(b"%b%d\r\n\r\n%b" % (head, len(body), body), until=until)
        try:
            while not answer.has_head:
                await answer.more()
            answer.decode()
        except BaseException:
            answer.close()
            raise
        return answer

    async def close(self) -> None:
        """Close every connection; what is under way fails."""
        for connection in list(self._open):
            connection.abort()
        for _, looking in self._resolved.values():
            looking.cancel()
        # Transports let go of their sockets in the loop's next turn.
        await asyncio.sleep(0)
        await self._resolver.close()

    def _rested(self, origin: _Origin) -> HttpConnection | None:
        """The connection that was used last, as it is the least likely to be closed by now."""
        resting = self._resting.get(origin)
        while resting:
            connection = resting.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self, origin: _Origin, until: float) -> HttpConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(until, loop.time() + self._connect_seconds)):
                addresses = await self._addresses(origin.host, origin.port)
                tls = await self._tls_context() if origin.scheme == "https" else None
                connected = await aiohappyeyeballs.start_connection(
                    addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1, loop=loop
                )
                try:
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    _, connection = await loop.create_connection(
                        self._made, sock=connected, ssl=tls, server_hostname=origin.host if tls else None
                    )
                except BaseException:
                    connected.close()
                    raise
        except (TimeoutError, ssl.SSLError):
            raise
        except OSError as error:
            raise Unanswered(f"no connection to {origin.host}:{origin.port}: {error}") from error
        if connection.is_open:
            # One that was lost at once has said so already, and would stay here for ever.
            self._open[connection] = origin
        return connection

    def _made(self) -> HttpConnection:
        return HttpConnection(
            silence_seconds=self._silence_seconds,
            rest_seconds=self._rest_seconds,
            rested=self._take_back,
            ended=self._forget,
        )

    def _take_back(self, connection: HttpConnection) -> None:
        self._resting[self._open[connection]].append(connection)

    def _forget(self, connection: HttpConnection) -> None:
        origin = self._open.pop(connection, None)
        if origin is None:
            return
        resting = self._resting[origin]
        if connection in resting:
            resting.remove(connection)
        if not resting:
            del self._resting[origin]

    async def _addresses(self, host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
        """What a name resolves to, from memory for a minute; who asks at the same time waits for the same look-up."""
        loop = asyncio.get_running_loop()
        until, looking = self._resolved.get((host, port), (0.0, None))
        if looking is None or until < loop.time():
            looking = asyncio.create_task(self._resolver.resolve(host, port, socket.AF_UNSPEC), name="resolve")
            self._resolved[host, port] = (loop.time() + _RESOLVED_SECONDS, looking)
        try:
            found = await asyncio.shield(looking)
        except OSError:
            self._resolved.pop((host, port), None)
            raise
        return [_address(result) for result in found]

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            # Reads all certificates of authorities.
            context = await asyncio.to_thread(ssl.create_default_context)
            context.set_alpn_protocols(["http/1.1"])
            self._tls = context
        return self._tls


def _address(result: ResolveResult) -> aiohappyeyeballs.AddrInfoType:
    place = (result["host"], result["port"])
    sockaddr = (*place, 0, 0) if result["family"] == socket.AF_INET6 else place
    return result["family"], socket.SOCK_STREAM, result["proto"], "", sockaddr


@lru_cache(maxsize=1024)
def _opening(url: str, headers: tuple[tuple[str, str], ...]) -> tuple[_Origin, bytes]:
    """Where a POST goes, and its head up to the length of its body: most are a provider's, under the same key.

    Raises:
        ValueError: a header has a character that would end its line.
    """
    origin, target, host = _parsed(url)
    lines = [f"POST {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in {**_HEADERS, **dict(headers)}.items()]
    head = "\r\n".join([*lines, "content-length: "]).encode()
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise ValueError("a header has a line break in it")
    return origin, head


@lru_cache(maxsize=4096)
def _parsed(url: str) -> tuple[_Origin, str, str]:
    """Where a URL leads, the target of its request line, and the value of `Host`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    default = 443 if parts.scheme == "https" else 80
    port = parts.port or default
    named = f"[{host}]" if ":" in host else host
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    return _Origin(parts.scheme, host, port), target, named if port == default else f"{named}:{port}"
