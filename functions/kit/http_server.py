"""uvicorn's HTTP protocol, with what is written in one turn of the event loop sent in one system call.

uvicorn writes an answer's head and its body apart, and uvloop sends each at once; a system call costs as much as
everything the kit does for a request.

It speaks HTTP/1.1 alone. What asks for another protocol is refused and its connection closed: the parser stops behind
such a head, and the body that follows would be read as the next request (request smuggling).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class CoalescingTransport:
    """A transport that joins the writes of one turn of the loop; everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this turn."""
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

    def close(self) -> None:
        """Send what is pending, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol over a coalescing transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Asyncio's call when a client has connected."""
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]

    def _should_upgrade(self) -> bool:
        # Asked only where the parser has seen an upgrade; no request is begun where this is so.
        return True

    def handle_websocket_upgrade(self) -> None:
        """Uvicorn's call in place of a request, whatever protocol was asked for."""
        self.send_400_response("This server speaks HTTP/1.1 alone.")
