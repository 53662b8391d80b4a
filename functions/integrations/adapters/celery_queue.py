"""The queue of the background workers, as Celery writes it into Redis (docs.celeryq.dev, message protocol 2)."""

import asyncio
import base64
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from functions.integrations.core.models import Registration
from functions.kit.clock import rfc3339
from functions.kit.context import current
from functions.kit.errors import DependencyUnavailable

if TYPE_CHECKING:
    from celery import Celery

# A list of this name in Redis, by whose length workers are scaled.
QUEUE = "integrations"
READ_DOCUMENT = "integrations.read_document"
# What workers have begun, or will begin at a later time: a hash beside the list.
_BEGUN = "unacked"
_PAGE = 500
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

    async def waiting(self, among: Collection[Registration]) -> Collection[Registration]:
        """Those of them that are in the queue. What moves meanwhile from the list to what is begun is seen."""
        found: set[Registration] = set()
        try:
            async for message in self._messages():
                if (asked := _asked(message)) is not None and asked in among:
                    found.add(asked)
        except (RedisError, OSError) as error:
            raise DependencyUnavailable("the queue is not available", details={"dependency": "queue"}) from error
        return found

    async def _messages(self) -> AsyncIterator[bytes | str]:
        start = 0
        # New ones come at the front, so that none is passed over.
        while page := await self._client.lrange(QUEUE, start, start + _PAGE - 1):
            for message in page:
                yield message
            start += _PAGE
        async for _, message in self._client.hscan_iter(_BEGUN, count=_PAGE):
            yield message

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


def _asked(text: bytes | str) -> Registration | None:
    """Whose document a message is about; None when it is not about one."""
    try:
        message = orjson.loads(text)
        if isinstance(message, list):
            # A begun one, with where it came from.
            message = message[0]
        (asked, *_), *_ = orjson.loads(base64.b64decode(message["body"]))
        return Registration(asked["tenantId"], asked["name"], datetime.fromisoformat(asked["requestedAt"]))
    except (ValueError, TypeError, LookupError):
        return None


def producer(url: str) -> "Celery":
    """An app that puts tasks into the queue and works on none."""
    from celery import Celery

    app = Celery("dcoder-producer", broker=url, set_as_current=False)
    timeouts = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
    app.conf.update(
        task_serializer="json", accept_content=["json"], broker_transport_options=timeouts, task_ignore_result=True
    )
    return app
