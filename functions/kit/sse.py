"""Server-sent events (WHATWG HTML §9.2) as an answer that notices at once when its reader has left."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class EventStream(Response):
    """Streams frames until they end or the client goes away.

    Args:
        frames: whole frames, each ending in a blank line. It is cancelled when the client leaves.
        on_close: called once at the end, however it came.
        until: once set, the stream is broken off, also while its reader keeps it waiting.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        headers: Mapping[str, str] | None = None,
        on_close: Callable[[], None] = lambda: None,
        until: asyncio.Event | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._frames = frames
        self._on_close = on_close
        self._until = until or asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        del scope
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        breaking = asyncio.ensure_future(self._until.wait())
        try:
            await asyncio.wait({sending, leaving, breaking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving, breaking):
                task.cancel()
            results = await asyncio.gather(sending, leaving, breaking, return_exceptions=True)
            self._on_close()
        if isinstance(results[0], Exception):
            raise results[0]

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self._frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
