"""Whose key figures have changed, as the database tells at the commit that changed them."""

import asyncio
import logging
from contextlib import suppress

import asyncpg

from functions.platform.adapters.kpi_sums import CHANNEL
from functions.platform.core.live import LiveHub

_SECONDS = 5.0
_RETRY_SECONDS = 1.0
# Health and forecasts change with the clock alone, and a notification may have been missed.
_LOOK_AGAIN_SECONDS = 30.0
_logger = logging.getLogger(__name__)


class KpiChanges:
    """Tells a hub, through any outage of Postgres.

    Args:
        url: address of the platform database; not one that shares connections between transactions.
    """

    def __init__(self, url: str, hub: LiveHub) -> None:
        self._url = url
        self._hub = hub

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _logger.debug("nobody tells of key figures", extra={"reason": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=_SECONDS, command_timeout=_SECONDS, server_settings={"application_name": "dcoder-live"}
        )
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            await connection.add_listener(CHANNEL, lambda *told: self._hub.touch(str(told[-1])))
            while not ended.is_set():
                self._hub.touch_all()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), _LOOK_AGAIN_SECONDS)
        finally:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)
