"""The queue of the background workers, as Celery writes it into Redis (docs.celeryq.dev, message protocol 2)."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from functions.kit.clock import rfc3339
from functions.kit.context import current
from functions.kit.errors import DependencyUnavailable

if TYPE_CHECKING:
    from celery import Celery

# A list of this name in Redis, by whose length workers are scaled.
QUEUE = "integrations"
READ_DOCUMENT = "integrations.read_document"
_FENCE = "integrations:fence"
_SECONDS = 5.0


class CeleryQueue:
    """Port `Queue`. What it needs is imported and connected to at the first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._app: Celery | None = None
        self._client = redis.asyncio.Redis.from_url(
            url, protocol=2, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
        )

    async def read_document(self, tenant_id: str, name: str, requested_at: datetime) -> None:
        """Have a server's document read; whom it is for and whose trace it belongs to travel with it."""
        context = current()
        asked = {
            "tenantId": tenant_id,
            "name": name,
            "requestedAt": rfc3339(requested_at),
            "requestId": context.request_id,
            "traceparent": context.traceparent,
        }
        await self._send(READ_DOCUMENT, asked)

    async def close(self) -> None:
        """End its connections."""
        await self._client.aclose()
        if self._app is not None:
            await asyncio.to_thread(self._app.close)

    async def _send(self, task: str, asked: dict[str, str]) -> None:
        from kombu.exceptions import OperationalError

        try:
            # Celery waits without giving way to others.
            await asyncio.to_thread(self._put, task, asked)
            await self._until_it_lasts()
        except (OperationalError, RedisError, OSError) as error:
            raise DependencyUnavailable("the queue is not available", details={"dependency": "queue"}) from error

    def _put(self, task: str, asked: dict[str, str]) -> None:
        if self._app is None:
            self._app = producer(self._url)
        self._app.send_task(task, (asked,), queue=QUEUE, retry=False, ignore_result=True)

    async def _until_it_lasts(self) -> None:
        """Wait until Redis has it on its disk, with whatever was written before; it answers writes sooner.

        Raises:
            DependencyUnavailable: it has not within a while.
        """
        async with self._client.client() as connection:
            await connection.set(_FENCE, 1, ex=60)
            try:
                kept: list[int] = await connection.waitaof(1, 0, int(_SECONDS * 1000 / 2))
            except ResponseError:
                # A server that is told to keep nothing on its disk.
                return
        if not kept[0]:
            raise DependencyUnavailable("the queue does not keep what it is given", details={"dependency": "queue"})


def producer(url: str) -> "Celery":
    """An app that puts tasks into the queue and works on none."""
    from celery import Celery

    app = Celery("dcoder-producer", broker=url, set_as_current=False)
    timeouts = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
    app.conf.update(
        task_serializer="json", accept_content=["json"], broker_transport_options=timeouts, task_ignore_result=True
    )
    return app
