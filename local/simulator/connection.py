"""The client's TCP connection, which some faults end in ways that ASGI cannot express."""

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "dcoder.simulator.connection"


class Connection:
    """Ends the connection under a response."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        """End it after what was written, as a server that died does (FIN)."""
        self._transport.close()

    def reset(self) -> None:
        """End it at once, as a broken middlebox does (RST)."""
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class ConnectionProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the connection in the ASGI scope's extensions."""

    def on_message_begin(self) -> None:
        """Called for each request on the connection."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"connection": Connection(self.transport)}}


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """The connection of a request that `ConnectionProtocol` received."""
    connection: Connection = scope["extensions"][_EXTENSION]["connection"]
    return connection
