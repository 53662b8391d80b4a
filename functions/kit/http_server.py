"""uvicorn's HTTP protocol, with an answer in one piece written at once and what is written in one turn sent together.

uvicorn writes an answer's head and its body apart, and uvloop sends each at once; a system call costs as much as
everything the kit does for a request. What most answers are, JSON in one piece, comes in one message
(`functions.kit.answers`) and needs no second look at its headers.

It speaks HTTP/1.1 alone. What asks for another protocol is refused and its connection closed: the parser stops behind
such a head, and the body that follows would be read as the next request (request smuggling).
"""

import asyncio
import math
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from functions.kit.answers import HOLDING, WHOLE

_EXTENSIONS: dict[str, dict[object, object]] = {WHOLE: {}, HOLDING: {}}
# What the value of a header may hold (RFC 9110, section 5.5): all but control characters other than the tab.
_PLAIN = bytes(code for code in range(256) if code == 9 or (code >= 32 and code != 127))


class CoalescingTransport:
    """A transport that joins the writes of one turn of the loop; everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._pending: list[bytes] = []
        self._is_closing = False

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this turn, behind what others were sent before (docs/adr/0040)."""
        if not self._pending:
            self._call_soon(self.flush)
        self._pending.append(data)

    def flush(self) -> None:
        """Send what is pending now."""
        if self._pending:
            pending, self._pending = self._pending, []
            try:
                self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))
            except RuntimeError:
                # uvloop's word for a connection whose client has left since.
                if not self._transport.is_closing():
                    raise

        if self._is_closing:
            self._transport.close()

    def close(self) -> None:
        """Close as soon as what is pending is sent; nothing more is read meanwhile."""
        if self._pending:
            self._is_closing = True
            self._transport.pause_reading()
        else:
            self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._is_closing or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Exchange(RequestResponseCycle):
    """uvicorn's request and its answer, and answers in one piece."""

    transport: CoalescingTransport  # type: ignore[assignment]

    async def receive(self) -> Any:
        """ASGI's call; what has come whole is given without more ado."""
        if self.more_body or self.waiting_for_100_continue or not self.message_event.is_set():
            return await super().receive()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": False}

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """ASGI's call."""
        return self._answer(message) if message["type"] == WHOLE else super().send(message)

    async def _answer(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            raise RuntimeError("an answer had begun before")
        self.response_started = True
        body = message["body"]
        self.transport.write(self._head(message["status"], message["headers"], len(body)) + body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _head(self, status: int, headers: Mapping[str, str], length: int) -> bytes:
        lines = [*map(": ".join, headers.items()), f"content-length: {length}"]
        if not self.keep_alive:
            lines.append("connection: close")
        standing = self.default_headers
        text = b"\r\n".join((*map(b": ".join, standing), "\r\n".join(lines).encode("latin-1"), b"\r\n"))
        if text.translate(None, _PLAIN) != b"\r\n" * (len(standing) + len(lines) + 1):
            raise RuntimeError("Invalid HTTP header value.")
        return STATUS_LINE[status] + text


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol over a coalescing transport.

    It knows no root path, no limit of connections and no log of answers: `functions.kit.serve` sets none of them.
    """

    cycle: Exchange
    # When the connection became idle; never, while a request comes in or is served.
    _idle_since = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Asyncio's call when a client has connected."""
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call when the connection is gone."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's call for each header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The parser's call when a request's head has come; uvicorn's own knows only its own exchanges."""
        parser, scope = self.parser, self.scope
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        scope["method"], scope["http_version"] = method, version
        if parser.should_upgrade():
            return
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"], scope["raw_path"] = unquote(path) if "%" in path else path, url.path
        scope["query_string"] = url.query or b""
        if method != "HEAD":
            scope["extensions"] = _EXTENSIONS
        before = self.cycle
        self.cycle = Exchange(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            dict(self.headers).get(b"expect", b"").lower() == b"100-continue",
            version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            # Of requests that come one behind the other the next waits for its turn.
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_response_complete(self) -> None:
        """Our exchange's call when its answer is given."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        # The timer goes on: one for each request costs more than to look again now and then.
        self._idle_since = math.inf

    def timeout_keep_alive_handler(self) -> None:
        """The timer's call: close a connection that has been idle for so long."""
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.transport.close()
        elif left < math.inf:
            self._look_again(left)

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _should_upgrade(self) -> bool:
        # Asked only where the parser has seen an upgrade; no request is begun where this is so.
        return True

    def handle_websocket_upgrade(self) -> None:
        """Uvicorn's call in place of a request, whatever protocol was asked for."""
        self.send_400_response("This server speaks HTTP/1.1 alone.")
