"""Where Temporal is, how it is connected to, and how it is told that work is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from functions.kit.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.converter import DataConverter


@dataclass(frozen=True, slots=True)
class TemporalAddress:
    """Where Temporal is, and how long one call of it may take."""

    target: str
    namespace: str
    tls: bool
    api_key: str | None
    seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "TemporalAddress":
        """As the settings have it."""
        key = settings.temporal_api_key
        return cls(
            settings.temporal_address,
            settings.temporal_namespace,
            tls=settings.temporal_tls,
            api_key=key.get_secret_value() if key else None,
            seconds=settings.temporal_timeout_seconds,
        )

    @property
    def patience(self) -> timedelta:
        """How long one call may take."""
        return timedelta(seconds=self.seconds)

    async def connect(self, converter: "DataConverter | None" = None, *, lazy: bool = False) -> "Client":
        """A client.

        Args:
            converter: how values become payloads; Temporal's own when absent.

        Raises:
            RuntimeError: it cannot be reached; a lazy client finds out later.
        """
        # Half a second that only those pay who need it.
        from temporalio.client import Client
        from temporalio.converter import DataConverter

        return await Client.connect(
            self.target,
            namespace=self.namespace,
            api_key=self.api_key,
            tls=self.tls,
            data_converter=converter or DataConverter.default,
            lazy=lazy,
        )


@asynccontextmanager
async def heartbeating(every: float) -> AsyncIterator[None]:
    """Tell Temporal that the activity is being worked on, which is also how it learns that it was cancelled.

    Args:
        every: seconds.
    """
    from temporalio import activity

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(every)

    beating = asyncio.create_task(beat(), name="heartbeat")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
