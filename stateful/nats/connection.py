"""The connection to NATS: opened, kept and opened again for ever, with the streams declared each time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError, ServiceUnavailableError

from stateful.nats.loops import keep_running
from stateful.nats.streams import Declaration, declare

MESSAGE_ID = "Nats-Msg-Id"

_logger = logging.getLogger("dcoder.events.nats")
_API_SECONDS = 5.0
_AWAY = (
    TimeoutError,
    ServiceUnavailableError,
    nats.errors.ConnectionClosedError,
    nats.errors.OutboundBufferLimitError,
)


class BusAway(ConnectionError):
    """NATS is not there, or not yet ready to take messages."""


class Publisher(Protocol):
    """Whatever puts a message into a stream."""

    async def publish(self, subject: str, body: bytes, *, message_id: str, headers: Mapping[str, str] = ...) -> None:
        """Publish, and return once it is stored."""


class Bus:
    """This process's connection to NATS.

    `run` owns it. Everything else asks for `session()` and is told by `on_ready` when there is a new one.

    Args:
        url: addresses, comma separated, each with its user and password.
        name: what the server's monitoring calls this connection.
    """

    def __init__(self, url: str, *, name: str, declarations: tuple[Declaration, ...]) -> None:
        self._servers = [part.strip() for part in url.split(",")]
        self._name = name
        self._declarations = declarations
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def ready(self) -> bool:
        """Whether messages can be published and pulled now."""
        return self._ready.is_set() and self._client is not None and self._client.is_connected

    def on_ready(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every connect and reconnect."""
        self._listeners.append(listener)

    def declare_anew(self) -> None:
        """Declare the streams again: the server seems to have lost them."""
        self._changed.set()

    async def session(self) -> tuple[Client, JetStreamContext]:
        """The live connection, as soon as there is one."""
        while True:
            await self._ready.wait()
            if self._client is not None and self._jetstream is not None:
                return self._client, self._jetstream

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Store a message in the stream that captures its subject.

        Args:
            message_id: a second message with this id within the stream's duplicates window is dropped.

        Raises:
            BusAway: NATS is not there, or did not acknowledge in time; the message may or may not be stored.
            nats.errors.Error: NATS refuses this message.
        """
        if not self.ready or self._jetstream is None:
            raise BusAway("NATS is not connected")
        try:
            await self._jetstream.publish(
                subject, body, timeout=_API_SECONDS, headers={**(headers or {}), MESSAGE_ID: message_id}
            )
        except NoStreamResponseError:
            # Either the subject is nobody's or the server lost its streams: declaring them tells.
            self.declare_anew()
            raise
        except _AWAY as error:
            raise BusAway("NATS did not acknowledge a message") from error

    async def run(self) -> None:
        """Keep connected until cancelled."""
        await keep_running("the connection to NATS", self._connected_once)

    async def _connected_once(self) -> None:
        closed = asyncio.Event()
        async with self._connection(closed) as client:
            while not closed.is_set():
                await self._changed.wait()
                self._changed.clear()
                if client.is_connected:
                    await self._make_ready(client.jetstream(timeout=_API_SECONDS))

    async def _make_ready(self, js: JetStreamContext) -> None:
        try:
            await declare(js, self._declarations)
        except (nats.errors.Error, TimeoutError) as error:
            _logger.warning("the streams cannot be declared yet", extra={"reason": str(error)})
            asyncio.get_running_loop().call_later(0.25, self._changed.set)
            return
        self._jetstream = js
        self._ready.set()
        for listener in self._listeners:
            listener()

    @asynccontextmanager
    async def _connection(self, closed: asyncio.Event) -> AsyncIterator[Client]:
        client = Client()

        async def lost() -> None:
            self._ready.clear()
            if self._client is client:
                _logger.warning("NATS is away")

        async def found() -> None:
            self._changed.set()
            _logger.info("NATS is back")

        async def ended() -> None:
            closed.set()
            self._changed.set()

        async def failed(error: Exception) -> None:
            _logger.debug("NATS reports an error", extra={"reason": str(error)})

        try:
            await client.connect(
                self._servers,
                name=self._name,
                connect_timeout=2,
                reconnect_time_wait=0.25,  # type: ignore[arg-type]
                max_reconnect_attempts=-1,
                ping_interval=10,
                disconnected_cb=lost,
                reconnected_cb=found,
                closed_cb=ended,
                error_cb=failed,
            )
            self._client = client
            self._changed.set()
            yield client
        finally:
            self._ready.clear()
            self._client = self._jetstream = None
            await _close(client)


async def _close(client: Client) -> None:
    with suppress(nats.errors.Error, OSError, TimeoutError):
        if client.is_connected:
            # Acknowledgements are written without waiting; they must reach the server.
            await client.flush(timeout=2)
    with suppress(nats.errors.Error, OSError, TimeoutError):
        await asyncio.wait_for(client.close(), 5)
