"""Listens to events only to forget what they made stale; what is missed, a cache's age makes up for."""

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from functions.kit.events import Event, EventError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

Forget = Callable[[Event], None]

_RETRY_SECONDS = 1.0
_SETTLING_SECONDS = 1.0
_CANCEL_SECONDS = 0.1
_logger = logging.getLogger(__name__)


class Subscriptions:
    """Plain (not durable) NATS subscriptions of one process.

    Args:
        servers: NATS addresses, comma separated.
    """

    def __init__(self, servers: str) -> None:
        self._servers = servers.split(",")
        self._handlers: dict[str, Forget] = {}

    def on(self, subject: str, forget: Forget) -> None:
        """Call `forget` with each event of a subject."""
        self._handlers[subject] = forget

    async def run(self) -> None:
        """Stay subscribed until cancelled, through any outage of NATS."""
        if "nats" not in sys.modules:
            # What a process that has just started knows is fresh; its first answer goes before the client's import.
            await asyncio.sleep(_SETTLING_SECONDS)
            await asyncio.to_thread(importlib.import_module, "nats")
        client = await self._connect()
        try:
            for subject in self._handlers:
                await client.subscribe(subject, cb=self._receive)
            await asyncio.Event().wait()
        finally:
            await client.close()

    async def _connect(self) -> "Client":
        import nats.errors

        while True:
            try:
                return await _cancellable(self._attempt())
            except (OSError, TimeoutError, nats.errors.Error) as error:
                _logger.debug("nats is away", extra={"reason": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)

    async def _attempt(self) -> "Client":
        import nats

        # Once connected the client reconnects by itself, for ever; only the first time is ours to repeat.
        return await nats.connect(
            self._servers, max_reconnect_attempts=-1, reconnect_time_wait=1, connect_timeout=2, error_cb=_ignore
        )

    async def _receive(self, message: "Msg") -> None:
        try:
            self._handlers[message.subject](Event.from_json(message.data))
        except EventError as error:
            _logger.warning("an event cannot be read", extra={"subject": message.subject}, exc_info=error)


async def _cancellable(connecting: "Coroutine[Any, Any, Client]") -> "Client":
    """Wait for a connection, and be sure to end when cancelled.

    The client waits for its socket by `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes
    together with the socket's refusal; the client would then go on trying for ever.
    """
    attempt = asyncio.ensure_future(connecting)
    try:
        await asyncio.wait({attempt})
        return attempt.result()
    except asyncio.CancelledError:
        while not attempt.done():
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=_CANCEL_SECONDS)
        if not attempt.cancelled() and attempt.exception() is None:
            await attempt.result().close()
        raise


async def _ignore(error: Exception) -> None:
    _logger.debug("nats", extra={"reason": str(error)})
